"""Open, inspect and decrypt PDF files with pdfium, without rendering them.

pdfium must not be called from two threads at once, not even for two documents. Every call, including those that
close its objects, is made under `pdfium_lock`. Threads that each have their own source are safe, and take turns.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pypdfium2
from pypdfium2.raw import (
    FPDF_ERR_PASSWORD,
    FPDF_ERR_SECURITY,
    FPDF_REMOVE_SECURITY,
    FPDF_GetLastError,
    FPDF_LoadDocument,
)

from checkpointing.errors import InputError
from checkpointing.regular_files import open_regular_file
from checkpointing.storage_errors import storage_errors
from worker.pages.sources.pdf_tree import least_pages

pdfium_lock = threading.Lock()


class PdfFacts(NamedTuple):
    """Properties of a PDF that are known without rendering it.

    Attributes:
        pages: number of pages, at least 1.
        needs_password: whether it opens only with a password. A PDF that merely forbids printing opens without one.
    """

    pages: int
    needs_password: bool


class PasswordMissingError(InputError):
    """A PDF is encrypted, and no password was given."""


def open_document(path: Path, password: str | None) -> pypdfium2.PdfDocument:
    """Open a PDF. The caller holds `pdfium_lock` and closes the document.

    Raises:
        InputError: it is not a PDF, has no pages, or is encrypted and the password is missing or wrong.
        StorageError: the file cannot be read.
    """
    with storage_errors(path):
        # pdfium has one error code for all files that it cannot read; the operating system's error has the reason.
        open_regular_file(path).close()
    # pypdfium2 treats a document without pages as one that did not load, and reports the error of an earlier file.
    handle = FPDF_LoadDocument(os.fsencode(path), password.encode() if password else None)
    if not handle:
        error_code = FPDF_GetLastError()
        kind = PasswordMissingError if error_code == FPDF_ERR_PASSWORD and password is None else InputError
        raise kind(_why_not(error_code, path, password))
    document = pypdfium2.PdfDocument(handle)
    if len(document) < 1:
        document.close()
        raise InputError(f"{path} has no pages; check that it is the right file")
    return document


def inspect_pdf(path: Path, password: str | None = None) -> PdfFacts:
    """Open a PDF to check that it can be ingested, and return its properties.

    Raises:
        InputError: it is not a PDF, has no pages, declares fewer pages than it lists, or is encrypted and the
            password is missing or wrong.
        StorageError: the file cannot be read.
    """
    with pdfium_lock:
        try:
            document, needs_password = open_document(path, None), False
        except PasswordMissingError:
            if password is None:
                raise
            document, needs_password = open_document(path, password), True
        facts = PdfFacts(len(document), needs_password)
        document.close()
    with storage_errors(path):
        listed = least_pages(path)
    if listed > facts.pages:
        raise InputError(
            f"{path} lists {listed} pages but declares {facts.pages}, so some of them cannot be read; "
            "repair it with another tool (`qpdf`, `mutool clean`)"
        )
    return facts


@contextmanager
def page_sizes(path: Path) -> Iterator[Callable[[int], tuple[float, float]]]:
    """Open a PDF, and yield what returns width and height of a page, numbered from 1, as it is shown, in points.

    To open a file takes the longer the more pages it has. No other thread can use PDFium until it is closed.

    Raises:
        InputError: the file does not open.
        StorageError: the file cannot be read.
    """
    with pdfium_lock:
        document = open_document(path, None)

        def size(place: int) -> tuple[float, float]:
            page = document.get_page(place - 1)
            width, height = page.get_size()
            page.close()
            return float(width), float(height)

        try:
            yield size
        finally:
            document.close()


def save_decrypted(source: Path, target: Path, password: str) -> None:
    """Write a copy of an encrypted PDF that opens without a password. The pages stay as they are.

    Raises:
        InputError: it cannot be opened or decrypted.
        OSError: the copy cannot be written; the incomplete file is left in place.
    """
    with pdfium_lock, target.open("xb") as file:
        document = open_document(source, password)
        writer = _Writer(file)
        try:
            document.save(writer, flags=FPDF_REMOVE_SECURITY)
        except pypdfium2.PdfiumError as error:
            if writer.error is None:
                raise InputError(f"{source} cannot be decrypted; decrypt it with another tool") from error
        finally:
            document.close()
        if writer.error is not None:
            raise writer.error


class _Writer:
    """A file that keeps an error of `write`: pdfium calls it from C, where an exception would be lost."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self.error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)


def _why_not(error_code: int, path: Path, password: str | None) -> str:
    if error_code == FPDF_ERR_PASSWORD and password is None:
        return f"{path} is encrypted; give its password with --password (`-` reads it from standard input)"
    if error_code == FPDF_ERR_PASSWORD:
        return f"{path} does not open with this password; check --password"
    if error_code == FPDF_ERR_SECURITY:
        return f"{path} is protected in a way that no password opens; export it without protection"
    return f"{path} is not a PDF, or is too damaged to open; check it in a PDF viewer"

"""Opening PDF files with pdfium, and what can be said of one without rendering it.

pdfium must not be called from two threads at once, not even for two documents: every call, the closing of its
objects included, happens under `pdfium_lock`. Threads with a source each are safe, and take turns.
"""

import os
import threading
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pypdfium2
from pypdfium2.raw import (
    FPDF_ERR_PASSWORD,
    FPDF_ERR_SECURITY,
    FPDF_REMOVE_SECURITY,
    FPDF_CloseDocument,
    FPDF_GetLastError,
    FPDF_LoadDocument,
)

from checkpointing.errors import InputError
from checkpointing.regular_files import open_regular_file
from checkpointing.storage_errors import storage_error
from worker.pages.sources.pdf_tree import least_pages

pdfium_lock = threading.Lock()


class PdfFacts(NamedTuple):
    """What is known of a PDF without rendering it.

    Attributes:
        pages: how many, at least 1.
        needs_password: it opens only with one. A PDF that merely forbids printing does not.
    """

    pages: int
    needs_password: bool


class PasswordMissingError(InputError):
    """A PDF is encrypted, and no password was given."""


def open_document(path: Path, password: str | None) -> pypdfium2.PdfDocument:
    """Open a PDF; the caller holds `pdfium_lock` and closes it.

    Raises:
        InputError: it is not a PDF, has no pages, or is encrypted and the password is missing or wrong.
        StorageError: the file cannot be read.
    """
    handle, error_code = _load(path, password)
    if not handle:
        kind = PasswordMissingError if error_code == FPDF_ERR_PASSWORD and password is None else InputError
        raise kind(_why_not(error_code, path, password))
    document = pypdfium2.PdfDocument(handle)
    if len(document) < 1:
        document.close()
        raise InputError(f"{path} has no pages; check that it is the right file")
    return document


def inspect_pdf(path: Path, password: str | None = None) -> PdfFacts:
    """Open a PDF just to see whether it can be used.

    Raises:
        InputError: it is not a PDF, has no pages, counts fewer than it lists, or is encrypted and the password is
            missing or wrong.
        StorageError: the file cannot be read.
    """
    with pdfium_lock:
        needs_password = _needs_password(path)
        document = open_document(path, password if needs_password else None)
        try:
            facts = PdfFacts(len(document), needs_password)
        finally:
            document.close()
    try:
        listed = least_pages(path)
    except OSError as error:
        raise storage_error(error, path) from error
    if listed > facts.pages:
        raise InputError(
            f"{path} lists {listed} pages and counts {facts.pages}, so that not all can be read; "
            "repair it with another tool (`qpdf`, `mutool clean`)"
        )
    return facts


def save_decrypted(source: Path, target: Path, password: str) -> None:
    """Write a copy of an encrypted PDF that opens without a password. The pages stay as they are.

    Raises:
        InputError: it cannot be opened, or not be decrypted.
        OSError: the copy cannot be written; what was written of it is left.
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
    """Keeps an error of `write` for later: pdfium calls it from C, where an exception would be lost."""

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


def _needs_password(path: Path) -> bool:
    handle, error_code = _load(path, None)
    if handle:
        FPDF_CloseDocument(handle)
    return not handle and error_code == FPDF_ERR_PASSWORD


def _load(path: Path, password: str | None) -> tuple[Any, int]:
    """The raw handle, false when there is none, and pdfium's error code, which has a meaning only then.

    pypdfium2 would take a document without pages for one that did not load, and show the error of an earlier
    file; so the raw call is made here.
    """
    try:
        # pdfium has one error for every file it cannot read; the system says what is wrong.
        open_regular_file(path).close()
    except OSError as error:
        raise storage_error(error, path) from error
    handle = FPDF_LoadDocument(os.fsencode(path), password.encode() if password else None)
    return handle, FPDF_GetLastError()


def _why_not(error_code: int, path: Path, password: str | None) -> str:
    if error_code == FPDF_ERR_PASSWORD and password is None:
        return f"{path} is encrypted; give its password with --password (`-` reads it from standard input)"
    if error_code == FPDF_ERR_PASSWORD:
        return f"{path} does not open with this password; check --password"
    if error_code == FPDF_ERR_SECURITY:
        return f"{path} is protected in a way that no password opens; export it without protection"
    return f"{path} is not a PDF, or is too damaged to open; check it in a PDF viewer"

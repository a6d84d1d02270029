"""Pages of a PDF, rendered one at a time. The only module that knows pdfium.

pdfium must not be called from two threads at once, not even for two documents: every call here, the closing of
its objects included, happens under one lock. Sources in different threads are safe, and take turns.
"""

import math
import os
import threading
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pypdfium2
from PIL.Image import Image
from pypdfium2.raw import (
    FPDF_ERR_PASSWORD,
    FPDF_ERR_SECURITY,
    FPDF_PAGEOBJ_IMAGE,
    FPDF_REMOVE_SECURITY,
    FPDF_CloseDocument,
    FPDF_GetLastError,
    FPDF_LoadDocument,
)

from checkpointing.errors import InputError
from checkpointing.storage_errors import storage_error
from worker.sources.base import DEFAULT_DPI, DEFAULT_MAX_PIXELS, PageImage
from worker.sources.damage import check_page_number, damaged_page

_POINTS_PER_INCH = 72
_pdfium = threading.Lock()


class PdfFacts(NamedTuple):
    """What is known of a PDF without rendering it.

    Attributes:
        pages: how many, at least 1.
        needs_password: it opens only with one. A PDF that merely forbids printing does not.
    """

    pages: int
    needs_password: bool


class PdfSource:
    """A PDF, opened. A page is rendered when it is asked for, in RGB, with its /Rotate applied.

    Annotations and form fields are not drawn: they are what readers put on the pages later, and a highlight
    or a note's icon hides the print that is to be read.

    Args:
        path: the file; not encrypted.
        dpi: resolution to render at, in dots per inch.
        max_pixels: a page that would have more pixels (width x height) is rendered at a lower resolution.

    Raises:
        InputError: it is not a PDF, or has no pages.
        StorageError: the file cannot be read just now.
    """

    def __init__(self, path: Path, *, dpi: int = DEFAULT_DPI, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        self._path = path
        self._dpi = dpi
        self._max_pixels = max_pixels
        with _pdfium:
            self._document = _open(path, None)
            self._total_pages = len(self._document)

    @property
    def total_pages(self) -> int:
        """How many pages it has."""
        return self._total_pages

    def page(self, number: int) -> PageImage:
        """Render one page, numbered from 1; needs about 8 bytes a pixel while it does.

        Raises:
            PageError: `damaged_page`: the page, or the picture that is on it, cannot be decoded.
            StorageError: the file cannot be read just now.
            UnknownNameError: it has no such page.
        """
        check_page_number(number, self._total_pages)
        try:
            with _pdfium:
                return self._render(number - 1)
        except pypdfium2.PdfiumError as error:
            raise damaged_page(self._path, f"page {number}: {error}") from error

    def close(self) -> None:
        """Give back the file handle."""
        with _pdfium:
            self._document.close()

    def _render(self, index: int) -> PageImage:
        page = self._document.get_page(index)
        try:
            width, height = page.get_size()
            scale = fitting_scale(width, height, self._dpi / _POINTS_PER_INCH, self._max_pixels)
            bitmap = page.render(scale=scale, draw_annots=False, may_draw_forms=False)
            image: Image = bitmap.to_pil()
            bitmap.close()
            if _is_one_colour(image):
                _check_pictures(page)
        finally:
            page.close()
        return PageImage(image, dpi=scale * _POINTS_PER_INCH)


def inspect_pdf(path: Path, password: str | None = None) -> PdfFacts:
    """Open a PDF just to see whether it can be used.

    Raises:
        InputError: it is not a PDF, has no pages, or is encrypted and the password is missing or wrong.
        StorageError: the file cannot be read.
    """
    with _pdfium:
        needs_password = _needs_password(path)
        document = _open(path, password if needs_password else None)
        try:
            return PdfFacts(len(document), needs_password)
        finally:
            document.close()


def save_decrypted(source: Path, target: Path, password: str) -> None:
    """Write a copy of an encrypted PDF that opens without a password. The pages stay as they are.

    Raises:
        InputError: it cannot be opened, or not be decrypted.
        OSError: the copy cannot be written; what was written of it is left.
    """
    with _pdfium, target.open("xb") as file:
        document = _open(source, password)
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


def fitting_scale(width: float, height: float, wanted: float, max_pixels: int) -> float:
    """The scale to render at: the wanted one, or the largest that surely stays within `max_pixels`.

    A page of width x height points comes out with ceil(width * s) x ceil(height * s) pixels, which is at most
    (width * s + 1)(height * s + 1). The largest s that keeps this within `max_pixels` is the positive root of
    a quadratic, written in the form that does not cancel for very thin pages.

    Args:
        width: of the page, in points (1/72 inch).
        height: likewise.
        wanted: pixels per point.
        max_pixels: at least 4.

    Returns:
        Pixels per point.
    """
    if math.ceil(width * wanted) * math.ceil(height * wanted) <= max_pixels:
        return wanted
    edges = width + height
    room = max_pixels - 1
    return 2 * room / (edges + math.sqrt(edges * edges + 4 * width * height * room))


def _is_one_colour(image: Image) -> bool:
    return image.getcolors(maxcolors=1) is not None


def _check_pictures(page: pypdfium2.PdfPage) -> None:
    """Tell an empty page from one whose picture is broken: pdfium draws nothing for it and says nothing.

    Without this the page would count as done, with no text on it.

    Raises:
        PdfiumError: a picture on the page cannot be decoded.
    """
    for picture in page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE]):
        picture.get_bitmap().close()


def _open(path: Path, password: str | None) -> pypdfium2.PdfDocument:
    handle, error_code = _load(path, password)
    if not handle:
        raise InputError(_why_not(error_code, path, password))
    document = pypdfium2.PdfDocument(handle)
    if len(document) < 1:
        document.close()
        raise InputError(f"{path} has no pages; check that it is the right file")
    return document


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
        path.open("rb").close()
    except OSError as error:
        raise storage_error(error, path) from error
    handle = FPDF_LoadDocument(os.fsencode(path), password.encode() if password else None)
    return handle, FPDF_GetLastError()


def _why_not(error_code: int, path: Path, password: str | None) -> str:
    if error_code == FPDF_ERR_PASSWORD and password is None:
        return f"{path} is encrypted; give its password with --password"
    if error_code == FPDF_ERR_PASSWORD:
        return f"{path} does not open with this password; check --password"
    if error_code == FPDF_ERR_SECURITY:
        return f"{path} is protected in a way that no password opens; export it without protection"
    return f"{path} is not a PDF, or is too damaged to open; check it in a PDF viewer"

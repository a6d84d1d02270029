"""Render the pages of a PDF one at a time, under `pdfium_lock`."""

import math
from pathlib import Path

import pypdfium2
from PIL.Image import Image
from pypdfium2.raw import FPDF_DocumentHasValidCrossReferenceTable, FPDFPage_CountObjects

from worker.pages.sources.base import DEFAULT_DPI, DEFAULT_MAX_PIXELS, PageImage
from worker.pages.sources.checks import check_decodable, check_page_number, damaged_page, why_shape_is_unreadable
from worker.pages.sources.pdf_pictures import check_whole, fineness_of, is_shown_in_full, pictures_on
from worker.pages.sources.pdfium import open_document, pdfium_lock

_POINTS_PER_INCH = 72
_POSTCARD_POINTS = 420.0
# At this resolution ten-point type is 14 pixels high; OCR engines cannot read smaller type.
_COARSE_DPI = 100
_PREVIEW_PIXELS = 2_000_000
# Minimum share of a page at which damaged pictures may hold text. Smaller ones are seals and ornaments.
_GOOD_PART = 0.05


class PdfSource:
    """An open PDF. A page is rendered when it is requested, in RGB, with its /Rotate applied.

    Annotations and form fields are not drawn: readers added them later, and a highlight or the icon of a note
    hides the print that is to be read.

    Args:
        path: the file; not encrypted.
        dpi: resolution to render at, in dots per inch. A page with pictures of a higher resolution is rendered at
            theirs. A page without pictures that is smaller than a postcard is enlarged to the size of one.
        max_pixels: a page that would have more pixels (width x height) is rendered at a lower resolution.
        preview: render pages for display instead of OCR: a damaged page is drawn as far as possible, and pictures
            raise the resolution to at most 2,000,000 pixels.

    Raises:
        InputError: it is not a PDF, or has no pages.
        StorageError: the file cannot be read at the moment.
    """

    def __init__(
        self, path: Path, *, dpi: int = DEFAULT_DPI, max_pixels: int = DEFAULT_MAX_PIXELS, preview: bool = False
    ) -> None:
        self._path = path
        self._dpi = dpi
        self._max_pixels = max_pixels
        self._preview = preview
        with pdfium_lock:
            self._document = open_document(path, None)
            self.total_pages = len(self._document)

    def page(self, number: int) -> PageImage:
        """Render one page, with the errors of `PageSource.page`. Needs about 8 bytes of memory per pixel."""
        check_page_number(number, self.total_pages)
        try:
            with pdfium_lock:
                return self._render(number - 1)
        except pypdfium2.PdfiumError as error:
            raise damaged_page(self._path, f"page {number}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        with pdfium_lock:
            self._document.close()

    def _render(self, index: int) -> PageImage:
        page = self._page_with_an_area(index)
        try:
            pictures = list(pictures_on(page))
            for picture in pictures:
                # pdfium decodes a picture at full size, even if the page is rendered smaller.
                check_decodable(picture.width, picture.height, self._max_pixels)
            width, height = page.get_size()
            fineness = fineness_of(pictures)
            if self._preview and fineness:
                fineness = fitting_scale(width, height, fineness, _PREVIEW_PIXELS)
            wanted = max(fineness, self._dpi / _POINTS_PER_INCH)
            if not fineness and FPDFPage_CountObjects(page) > 0:
                # Only type and lines. A page this small comes from a program that does not use points as its unit,
                # or that gives the size by /UserUnit, which pdfium does not expose.
                wanted *= max(1.0, _POSTCARD_POINTS / max(width, height))
            scale = fitting_scale(width, height, wanted, self._max_pixels)
            bitmap = page.render(scale=scale, draw_annots=False, may_draw_forms=False)
            image: Image = bitmap.to_pil()
            bitmap.close()
            if _is_one_colour(image):
                check_whole(pictures, 0.0)
                if not self._preview and self._may_be_lost(page):
                    raise pypdfium2.PdfiumError(
                        "the page is empty and the file is cut off or damaged: its content may be lost"
                    )
            elif not self._preview:
                check_whole(pictures, _GOOD_PART)
        finally:
            page.close()
        dpi = scale * _POINTS_PER_INCH
        doubt = why_shape_is_unreadable(*image.size)
        if dpi < min(_COARSE_DPI, self._dpi) and not is_shown_in_full(pictures, scale):
            doubt = (
                f"the page is {width:.0f} x {height:.0f} points and was rendered at {dpi:.0f} dpi only; "
                "split it, or set LEAFMARK_MAX_PIXELS higher"
            )
        return PageImage(image, dpi=dpi, doubt=doubt)

    def _may_be_lost(self, page: pypdfium2.PdfPage) -> bool:
        """Return whether an empty page may have lost its content: pdfium omits objects that it does not find.

        If the cross-reference table is missing, as in a file that is cut off, pdfium searches the file for objects
        and may miss some.
        """
        return FPDFPage_CountObjects(page) == 0 and not FPDF_DocumentHasValidCrossReferenceTable(self._document)

    def _page_with_an_area(self, index: int) -> pypdfium2.PdfPage:
        """Load a page. If its CropBox has no area, use its MediaBox instead, as other programs do."""
        page = self._document.get_page(index)
        if min(page.get_size()) > 0:
            return page
        page.set_cropbox(*page.get_mediabox())
        page.close()
        page = self._document.get_page(index)
        if min(page.get_size()) > 0:
            return page
        page.close()
        raise pypdfium2.PdfiumError("its MediaBox has no area")


def fitting_scale(width: float, height: float, wanted: float, max_pixels: int) -> float:
    """Return the wanted scale in pixels per point, or the largest that stays within `max_pixels`, at least 4.

    A page of width x height points comes out with ceil(width * s) x ceil(height * s) pixels, which is at most
    (width * s + 1)(height * s + 1). The largest s that keeps this within `max_pixels` is the positive root of
    a quadratic, written in the form that does not cancel for very thin pages.
    """
    if math.ceil(width * wanted) * math.ceil(height * wanted) <= max_pixels:
        return wanted
    edges = width + height
    room = max_pixels - 1
    return 2 * room / (edges + math.sqrt(edges * edges + 4 * width * height * room))


def _is_one_colour(image: Image) -> bool:
    return image.getcolors(maxcolors=1) is not None

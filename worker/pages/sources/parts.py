"""PDFs whose pages are known: one that was ingested, or several that are one book, as Scanshelf kept them."""

from collections.abc import Sequence
from pathlib import Path

from checkpointing.errors import InputError
from checkpointing.plurals import counted
from worker.pages.sources.base import PageImage
from worker.pages.sources.checks import check_page_number
from worker.pages.sources.pdf import PdfSource


def open_pdf(path: Path, pages: int, *, dpi: int, max_pixels: int, preview: bool = False) -> PdfSource:
    """A PDF that has as many pages as it had.

    Args:
        path: the file.
        pages: how many it had when it was looked at first.
        dpi: resolution to render at, in dots per inch.
        max_pixels: no page comes out with more pixels (width x height) than this.
        preview: as of `PdfSource`.

    Raises:
        InputError: it no longer opens, or is another one.
        StorageError: it cannot be read just now.
    """
    source = PdfSource(path, dpi=dpi, max_pixels=max_pixels, preview=preview)
    if source.total_pages != pages:
        source.close()
        raise InputError(
            f"{path} has {counted(source.total_pages, 'page')}, but had {pages} when it was ingested; "
            "put the original file back"
        )
    return source


class PdfParts:
    """Several PDFs, one after the other. No file is kept open: a page's file is opened when it is asked for.

    Args:
        parts: in page order, each with the number of pages it holds.
        dpi: resolution to render at, in dots per inch.
        max_pixels: no page comes out with more pixels (width x height) than this.
        preview: as of `PdfSource`.
    """

    def __init__(
        self, parts: Sequence[tuple[Path, int]], *, dpi: int, max_pixels: int, preview: bool = False
    ) -> None:
        self._parts = parts
        self._dpi = dpi
        self._max_pixels = max_pixels
        self._preview = preview

    @property
    def total_pages(self) -> int:
        """How many pages they have together."""
        return sum(pages for _, pages in self._parts)

    def page(self, number: int) -> PageImage:
        """Render one page, numbered from 1 through all parts.

        Raises:
            PageError: it is damaged or too large.
            InputError: its file no longer opens, or is another one.
            StorageError: its file cannot be read just now.
            UnknownNameError: there is no such page.
        """
        check_page_number(number, self.total_pages)
        place, index = number, 0
        while place > self._parts[index][1]:
            place -= self._parts[index][1]
            index += 1
        source = open_pdf(*self._parts[index], dpi=self._dpi, max_pixels=self._max_pixels, preview=self._preview)
        try:
            return source.page(place)
        finally:
            source.close()

    def close(self) -> None:
        """Nothing is open between pages."""

"""Where page images come from: a PDF or a folder of images, behind one small interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from worker.pages.geometry.gutter import Half

if TYPE_CHECKING:
    # Commands that look at no picture do without it.
    from PIL.Image import Image

DEFAULT_DPI = 300
DEFAULT_MAX_PIXELS = 40_000_000


@dataclass(frozen=True, slots=True)
class PageImage:
    """A page as a picture.

    Attributes:
        image: RGB or 8-bit grey, upright (EXIF orientation already applied).
        dpi: resolution that it was rendered or scanned at, in dots per inch; None if unknown.
        doubt: why it may be unreadable as it is, and what to do; empty for nearly every page. If no text is found
            on such a page, it is not necessarily blank.
        half: which half of the picture the page is, on a picture of two pages; None for nearly every page, which is
            all of its picture.
    """

    image: Image
    dpi: float | None
    doubt: str = ""
    half: Half | None = None


class PageSource(Protocol):
    """An opened source. Not safe for use from several threads at once."""

    @property
    def total_pages(self) -> int:
        """How many pages it has."""
        ...

    def page(self, number: int) -> PageImage:
        """Render or decode one page, numbered from 1, using bounded memory.

        Raises:
            PageError: `damaged_page` or `page_too_large`; another attempt would fail too.
            InputError: the file no longer opens, or is not the one that was ingested.
            StorageError: the file cannot be read at the moment.
            UnknownNameError: there is no such page.
        """
        ...

    def close(self) -> None:
        """Close the open files."""
        ...

"""A source of which some pages were scanned anew: these are in files of their own."""

from collections.abc import Callable, Mapping

from worker.pages.sources.base import PageImage, PageSource
from worker.pages.sources.checks import check_page_number

OpenSource = Callable[[], PageSource]


class WithReplacements:
    """The pages of a source, some of them from elsewhere. The rest is opened when a page of it is asked for.

    Args:
        total_pages: of the book.
        rest: opens the source as it was ingested.
        replaced: by page, what opens the file that it is in now, and its place in that file, from 1.
    """

    def __init__(self, total_pages: int, rest: OpenSource, replaced: Mapping[int, tuple[OpenSource, int]]) -> None:
        self._total_pages = total_pages
        self._open_rest = rest
        self._rest: PageSource | None = None
        self._replaced = replaced

    @property
    def total_pages(self) -> int:
        """How many pages the book has."""
        return self._total_pages

    def page(self, number: int) -> PageImage:
        """Render or decode one page, numbered from 1.

        Raises:
            PageError: this page is damaged or too large.
            InputError: its file no longer opens, or is another one.
            StorageError: its file cannot be read just now.
            UnknownNameError: there is no such page.
        """
        check_page_number(number, self._total_pages)
        if number not in self._replaced:
            if self._rest is None:
                self._rest = self._open_rest()
            return self._rest.page(number)
        open_file, place = self._replaced[number]
        source = open_file()
        try:
            return source.page(place)
        finally:
            source.close()

    def close(self) -> None:
        """Give back the file handles."""
        if self._rest is not None:
            self._rest.close()

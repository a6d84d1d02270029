"""A source with replaced pages: pages that were scanned again are read from files of their own."""

from collections.abc import Callable, Mapping

from worker.pages.sources.base import PageImage, PageSource
from worker.pages.sources.checks import check_page_number

OpenSource = Callable[[], PageSource]


class WithReplacements:
    """The pages of a source, some of them replaced by pages of other files.

    The original source is opened when the first page of it is requested.

    Args:
        total_pages: of the book.
        rest: opens the source as it was ingested, for all other pages.
        replaced: by page number, a function that opens the file with the new page, and the page's number in that
            file, from 1.
    """

    def __init__(self, total_pages: int, rest: OpenSource, replaced: Mapping[int, tuple[OpenSource, int]]) -> None:
        self._total_pages = total_pages
        self._open_rest = rest
        self._rest: PageSource | None = None
        self._replaced = replaced

    @property
    def total_pages(self) -> int:
        """Number of pages of the book."""
        return self._total_pages

    def page(self, number: int) -> PageImage:
        """Render or decode one page, numbered from 1.

        Raises:
            PageError: this page is damaged or too large.
            InputError: its file no longer opens, or its content has changed.
            StorageError: its file cannot be read at the moment.
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
        """Close the open files."""
        if self._rest is not None:
            self._rest.close()

"""The inputs of the OCR stage for one page without a book."""

from typing import Any

from worker.pages.sources.base import PageImage


class OnePage:
    """A book of one page. The OCR stage asks for no output of another stage.

    Args:
        scanned: the page as it was scanned.
    """

    total_pages = 1

    def __init__(self, scanned: PageImage) -> None:
        self._scanned = scanned

    def image(self, _page: int) -> PageImage:
        """Return the page as it was scanned."""
        return self._scanned

    def languages(self, _page: int) -> tuple[str, ...]:
        """Name none."""
        return ()

    def output(self, stage: str, page: int) -> dict[str, Any]:
        """Raise LookupError: there are no outputs."""
        raise LookupError(f"{stage}, page {page}")

"""Small copies of source images, for what does not need all of their pixels: sizes first, pictures where needed."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, closing
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

from PIL import Image

from worker.pages.sources.images import picture_sizes
from worker.pages.sources.open import open_file
from worker.pages.sources.pdfium import page_sizes

SMALL_PIXELS = 2_500_000
"""Of the copies, about; on a spread of that size small letters are 8 pixels high."""
_DPI = 100
_SHRUNK = 4
_Given = ParamSpec("_Given")
_Read = TypeVar("_Read")


class SourceImage(NamedTuple):
    """One picture of a source.

    Attributes:
        path: of its file.
        kind: of the file, `pdf` or `images`.
        pages: of the file, as they were counted.
        place: which page of the file it is, from 1.
    """

    path: Path
    kind: str
    pages: int
    place: int

    def sizes(self) -> AbstractContextManager[Callable[[int], tuple[float, float]]]:
        """Open its file, and yield what returns width and height of a page of that; see `sizes_of`.

        Raises:
            OSError, ValueError: it cannot be read.
            LeafmarkError: the file does not open.
        """
        return page_sizes(self.path) if self.kind == "pdf" else picture_sizes(self.path, self.pages)

    def small_copy(self, max_pixels: int) -> Image.Image:
        """Return a copy of about `SMALL_PIXELS`, or of all pixels if there are few.

        Args:
            max_pixels: maximum number of pixels of a page image in memory.

        Raises:
            PageError: it cannot be decoded.
            LeafmarkError: the file does not open.
        """
        pixels = SMALL_PIXELS
        if self.kind != "pdf":
            with self.sizes() as size:
                width, height = size(self.place)
            # Most formats are decoded at full size, of which the limit allows four times as much.
            pixels = min(max_pixels, max(SMALL_PIXELS, round(width * height) // _SHRUNK + 1))
        opened = open_file(self.path, self.kind, self.pages, dpi=_DPI, max_pixels=pixels, preview=True)
        with closing(opened) as source:
            return source.page(self.place).image


def sizes_of(images: Iterable[SourceImage]) -> list[tuple[float, float] | None]:
    """Return width and height of pictures, upright, in pixels or points, from their headers alone.

    None stands for a picture that cannot be read. Each file is opened once for all of its pictures.
    """
    found: list[tuple[float, float] | None] = []
    for _, group in groupby(images, key=lambda image: image.path):
        same = list(group)
        with ExitStack() as stack:
            size = _unless_damaged(stack.enter_context, same[0].sizes())
            found += [None if size is None else _unless_damaged(size, image.place) for image in same]
    return found


def _unless_damaged(read: Callable[_Given, _Read], *given: _Given.args, **named: _Given.kwargs) -> _Read | None:
    try:
        return read(*given, **named)
    except Exception:  # noqa: BLE001  # damaged data make a decoder raise any type of exception
        return None

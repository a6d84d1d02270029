"""Small copies of source images, for what does not need all of their pixels: sizes first, pictures where needed."""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from worker.pages.sources.images import picture_size
from worker.pages.sources.open import open_file
from worker.pages.sources.pdfium import page_size

SMALL_PIXELS = 2_500_000
"""Of the copies, about; on a spread of that size small letters are 8 pixels high."""
_DPI = 100
_SHRUNK = 4


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

    def size(self) -> tuple[float, float]:
        """Return its width and height, upright, in pixels or points, from its header alone.

        Raises:
            OSError, ValueError: it cannot be read.
            LeafmarkError: the file does not open.
        """
        if self.kind == "pdf":
            return page_size(self.path, self.place)
        return picture_size(self.path, self.place - 1, self.pages)

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
            width, height = self.size()
            # Most formats are decoded at full size, of which the limit allows four times as much.
            pixels = min(max_pixels, max(SMALL_PIXELS, round(width * height) // _SHRUNK + 1))
        opened = open_file(self.path, self.kind, self.pages, dpi=_DPI, max_pixels=pixels, preview=True)
        with closing(opened) as source:
            return source.page(self.place).image

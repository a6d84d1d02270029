"""Pages that are image files, decoded one at a time in bounded memory.

Only the formats named here are opened, whatever a file is called: Pillow knows many more, some of which run
other programs. Its own guard against huge images warns or raises by a limit of the whole process; it is
switched off on import, because here the size in the header is checked before anything is decoded.
"""

import contextlib
import math
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile

from checkpointing.errors import PageError
from checkpointing.regular_files import open_regular_file
from checkpointing.storage_errors import storage_error
from worker.sources.base import DEFAULT_MAX_PIXELS, PageImage
from worker.sources.checks import check_decodable, check_page_number, damaged_page
from worker.sources.pixels import to_rgb_or_grey

Image.MAX_IMAGE_PIXELS = None

_FORMATS = ("PNG", "JPEG", "TIFF", "JPEG2000", "WEBP")

# A scanner writes what it did; below and above, the figure is a default that nobody measured.
_PLAUSIBLE_DPI = (30.0, 1200.0)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to undo each value of the EXIF tag Orientation (EXIF 2.32, section 4.6.4)."""


class ImageSource:
    """Image files in page order; a TIFF gives as many pages as it has frames.

    No file is kept open: a page's file is opened when the page is asked for.

    Args:
        files: each with the number of pages it holds.
        max_pixels: a page with more pixels (width x height) is made smaller. A JPEG or JPEG 2000 is decoded
            at a reduced size to begin with; others are refused above four times this.
    """

    def __init__(self, files: Iterable[tuple[Path, int]], *, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        self._pages = [(path, frame) for path, pages in files for frame in range(pages)]
        self._max_pixels = max_pixels

    @property
    def total_pages(self) -> int:
        """How many pages the files hold."""
        return len(self._pages)

    def page(self, number: int) -> PageImage:
        """Decode one page, numbered from 1.

        Needs about 12 bytes for each pixel of a page within the bound, and never much more than 40 bytes for
        each of `max_pixels`.

        Raises:
            PageError: `damaged_page`: it cannot be decoded; `page_too_large`: not in bounded memory.
            StorageError: the file cannot be read just now.
            UnknownNameError: there is no such page.
        """
        check_page_number(number, self.total_pages)
        path, frame = self._pages[number - 1]
        with _open_file(path) as file:
            try:
                return _decode(file, frame, self._max_pixels)
            except (PageError, MemoryError):
                raise
            except Exception as error:  # a decoder raises whatever broken bytes make it trip over
                raise damaged_page(path, error) from error

    def close(self) -> None:
        """Nothing is kept open."""


def count_pages(path: Path) -> int:
    """How many pages an image file holds: the frames of a TIFF, else one.

    Raises:
        PageError: `damaged_page`: it cannot be opened as an image.
        StorageError: it cannot be read.
    """
    with _open_file(path) as file:
        try:
            with Image.open(file, formats=_FORMATS) as image:
                return getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        except Exception as error:
            raise damaged_page(path, error) from error


def _open_file(path: Path) -> BinaryIO:
    try:
        return open_regular_file(path)
    except OSError as error:
        raise storage_error(error, path) from error


def _decode(file: BinaryIO, frame: int, max_pixels: int) -> PageImage:
    with Image.open(file, formats=_FORMATS) as image:
        image.seek(frame)
        scanned_pixels = image.width * image.height
        dpi = _plausible_dpi(image)
        _bound_decoding(image, max_pixels)
        image.load()
        page = _upright(_shrink(to_rgb_or_grey(image), max_pixels), image)
        if page is image:
            page = image.copy()
    # The page is upright now: whoever reads its EXIF again must not turn it a second time.
    page.info.clear()
    if dpi is not None:
        dpi *= math.sqrt(page.width * page.height / scanned_pixels)
    return PageImage(page, dpi)


def _bound_decoding(image: Image.Image, max_pixels: int) -> None:
    """Have a large image decoded at a reduced size where its format can; refuse it where that is not enough.

    Raises:
        PageError: `page_too_large`.
    """
    width, height = image.size
    if width * height <= max_pixels:
        return
    if isinstance(image, JpegImageFile) and "progressive" not in image.info:
        # A progressive JPEG is left out: its decoder holds the whole page at full size, reduced or not.
        image.draft(None, _size_within(width, height, max_pixels))
        width, height = image.size
    elif isinstance(image, Jpeg2KImageFile):
        # Its decoder needs 12 bytes a pixel besides the result, so it goes below the bound at once.
        halvings = math.ceil(math.log(width * height / max_pixels, 4))
        image.reduce = halvings
        width, height = width >> halvings, height >> halvings
    check_decodable(width, height, max_pixels)


def _upright(page: Image.Image, scanned: Image.Image) -> Image.Image:
    """The page turned as EXIF says. Broken EXIF is no reason to give up a page whose picture is sound."""
    orientation = None
    with contextlib.suppress(Exception):
        orientation = scanned.getexif().get(ExifTags.Base.Orientation)
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return page if turn is None else page.transpose(turn)


def _shrink(page: Image.Image, max_pixels: int) -> Image.Image:
    if page.width * page.height <= max_pixels:
        return page
    size = _size_within(page.width, page.height, max_pixels)
    return page.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _size_within(width: int, height: int, max_pixels: int) -> tuple[int, int]:
    """The largest size of the same shape that has at most `max_pixels`."""
    factor = math.sqrt(max_pixels / (width * height))
    return max(1, int(width * factor)), max(1, int(height * factor))


def _plausible_dpi(image: Image.Image) -> float | None:
    """The resolution that the file claims: the geometric mean of both directions, which survives a turn."""
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    low, high = _PLAUSIBLE_DPI
    return math.sqrt(across * down) if low <= across <= high and low <= down <= high else None

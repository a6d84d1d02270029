"""Decode pages that are image files, one at a time in bounded memory.

Only the formats in `_FORMATS` are opened, regardless of a file's name: Pillow supports many more, some of which run
other programs. Importing this module switches off Pillow's own limit on image size, which applies to the whole
process; the size in the header is checked here before anything is decoded.
"""

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import (
    COMPRESSION,
    IMAGELENGTH,
    IMAGEWIDTH,
    PLANAR_CONFIGURATION,
    ROWSPERSTRIP,
    SAMPLESPERPIXEL,
    STRIPOFFSETS,
    TILELENGTH,
    TILEOFFSETS,
    TILEWIDTH,
    TiffImageFile,
)

from checkpointing.errors import PageError
from checkpointing.regular_files import open_regular_file
from checkpointing.storage_errors import storage_errors
from worker.pages.sources.base import DEFAULT_MAX_PIXELS, PageImage
from worker.pages.sources.checks import (
    check_decodable,
    check_page_number,
    check_readable,
    damaged_page,
    why_shape_is_unreadable,
)
from worker.pages.sources.pixels import to_rgb_or_grey
from worker.pages.sources.streams import JPEG_END, jpeg_is_whole
from worker.pages.sources.tiff import begin_with, walk_tiff

Image.MAX_IMAGE_PIXELS = None

_FORMATS = ("PNG", "JPEG", "TIFF", "JPEG2000", "WEBP")
_UNKNOWN = "it is not an image, or its pixels or its compression are of a kind that is not supported"
_CONVERT = "convert it to 8-bit grey or RGB, or scan it again, and use `producer replace-page`"
_JPEG_START = b"\xff\xd8"
_UNCOMPRESSED = 1
_SEPARATE_PLANES = 2
_MAX_BYTES_IN_MEMORY = 256_000_000
# Maximum number of frames of a TIFF to try: if none of them opens, the whole file counts as unreadable.
_MAX_TRIED = 100

# Scanners record resolutions in this range; a value outside of it is a default of the program that wrote the file.
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
_ON_ITS_SIDE = {5, 6, 7, 8}
"""Values of that tag for a picture whose width and height are exchanged."""


class ImageSource:
    """Image files in page order; a TIFF has as many pages as `inspect_image` counts.

    No file is kept open: the file of a page is opened when the page is requested.

    Args:
        files: each with its number of pages.
        max_pixels: a page with more pixels (width x height) is reduced. A JPEG or JPEG 2000 is decoded at a
            reduced size; a page in another format is rejected if it has more than four times as many.
    """

    def __init__(self, files: Iterable[tuple[Path, int]], *, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        self._pages = [(path, frame, pages) for path, pages in files for frame in range(pages)]
        self._max_pixels = max_pixels
        self.total_pages = len(self._pages)

    def page(self, number: int) -> PageImage:
        """Decode one page, with the errors of `PageSource.page`.

        Needs about 12 bytes of memory per pixel for a page of at most `max_pixels`, and for a larger one not much
        more than 40 bytes times `max_pixels`.
        """
        check_page_number(number, self.total_pages)
        path, index, pages = self._pages[number - 1]
        with storage_errors(path):
            opened = open_regular_file(path)
        with opened as file:
            try:
                return _decode_page(file, index, pages, self._max_pixels)
            except (PageError, MemoryError):
                raise
            except UnidentifiedImageError as error:
                if file.seek(0, os.SEEK_END) == 0:
                    raise damaged_page(path, "the file is empty") from error
                raise damaged_page(path, _place(index, pages) + _UNKNOWN, _CONVERT) from error
            except Exception as error:  # damaged data make a decoder raise any type of exception
                raise damaged_page(path, _place(index, pages) + _in_words(error)) from error

    def close(self) -> None:
        """Do nothing: no file is kept open."""


class ImageFacts(NamedTuple):
    """Properties of an image file that are known without decoding it.

    Attributes:
        pages: number of pages, at least 1. In a TIFF each frame that is not a thumbnail or a mask is a page, even
            if it cannot be decoded, and everything after a break in the chain of frames is one more. A file of
            any other format is one page: of an animation, the first picture.
        opens: whether anything in the file opens as an image. If not, each of its pages will be quarantined.
        broken: where and why the chain of frames breaks; empty if it is complete.
    """

    pages: int
    opens: bool = True
    broken: str = ""


def inspect_image(path: Path) -> ImageFacts:
    """Open an image file to count its pages. A damaged file counts as at least one page.

    Raises:
        StorageError: it cannot be read.
    """
    with storage_errors(path), open_regular_file(path) as file:
        tiff = walk_tiff(file)
        tried = [file] if tiff is None else (begin_with(file, frame) for frame in tiff.frames[:_MAX_TRIED])
        opens = any(_opens(each) for each in tried)
    if not opens:
        check_readable(path)
    return ImageFacts(1, opens) if tiff is None else ImageFacts(max(1, tiff.total_pages), opens, tiff.broken)


@contextlib.contextmanager
def picture_sizes(path: Path, pages: int) -> Iterator[Callable[[int], tuple[int, int]]]:
    """Open a file, and yield what returns width and height of a page, numbered from 1, without decoding it.

    Upright, except for a PNG, whose orientation may be recorded behind its pixels. To look for the frames of a TIFF
    takes the longer the more there are.

    Args:
        path: of the file.
        pages: of the file, as they were counted.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    with open_regular_file(path) as file:
        tiff = walk_tiff(file)

        def size(place: int) -> tuple[int, int]:
            opened: BinaryIO = file if tiff is None else begin_with(file, tiff.frame_of(place - 1, pages))
            opened.seek(0)
            with Image.open(opened, formats=_FORMATS) as image:
                width, height = image.size
                # Pillow gives the upright size of a TIFF, and decodes all of a PNG to look for its orientation.
                is_known = image.format not in {"PNG", "TIFF"}
                orientation = image.getexif().get(ExifTags.Base.Orientation) if is_known else None
            return (height, width) if orientation in _ON_ITS_SIDE else (width, height)

        yield size


def _opens(file: BinaryIO) -> bool:
    try:
        file.seek(0)
        with Image.open(file, formats=_FORMATS):
            return True
    except Exception:  # noqa: BLE001  # damaged data make a decoder raise any type of exception
        return False


def _place(index: int, pages: int) -> str:
    return f"page {index + 1} in it: " if pages > 1 else ""


def _in_words(error: Exception) -> str:
    said = str(error) or type(error).__name__
    return f"its data are damaged or cut off ({said})" if said.startswith("decoder error") else said


def _decode_page(file: BinaryIO, index: int, pages: int, max_pixels: int) -> PageImage:
    """Decode a page by its index in a file, from 0, of which so many pages were counted when it was ingested."""
    tiff = walk_tiff(file)
    if tiff is None:
        if index:
            raise ValueError(f"it has no frame {index + 1}")
        return _decode_whole(file, max_pixels)
    frame = tiff.frame_of(index, pages)
    try:
        return _decode(begin_with(file, frame), max_pixels)
    except OSError:
        # libtiff always opens a file at its first frame, even to read another one, and the first may be damaged.
        if frame is tiff.frames[0] or file.seek(0, os.SEEK_END) > _MAX_BYTES_IN_MEMORY:
            raise
        return _decode(BytesIO(begin_with(file, frame).read()), max_pixels)


def _decode(file: BinaryIO, max_pixels: int) -> PageImage:
    with Image.open(file, formats=_FORMATS) as image:
        scanned_pixels = image.width * image.height
        dpi = _plausible_dpi(image)
        _bound_decoding(image, max_pixels)
        _check_strips(image)
        image.load()
        page = _upright(_shrink(to_rgb_or_grey(image), max_pixels), image)
        if page is image:
            page = image.copy()
    # The page is upright now: code that reads its EXIF data again must not turn it a second time.
    page.info.clear()
    if dpi is not None:
        dpi *= math.sqrt(page.width * page.height / scanned_pixels)
    return PageImage(page, dpi, why_shape_is_unreadable(*page.size))


def _decode_whole(file: BinaryIO, max_pixels: int) -> PageImage:
    """Decode a file of one page. Unlike Pillow, accept a JPEG that lacks only its end marker."""
    file.seek(0)
    try:
        return _decode(file, max_pixels)
    except OSError:
        file.seek(0)
        if file.read(len(_JPEG_START)) != _JPEG_START or file.seek(0, os.SEEK_END) > _MAX_BYTES_IN_MEMORY:
            raise
        file.seek(0)
        data = file.read()
        if not jpeg_is_whole(data):
            raise
        return _decode(BytesIO(data.rstrip(b"\xff") + JPEG_END), max_pixels)


def _check_strips(image: Image.Image) -> None:
    """Reject a TIFF that lacks the offsets of some strips or tiles: Pillow would leave those parts black."""
    if not isinstance(image, TiffImageFile) or image.tag_v2.get(COMPRESSION, _UNCOMPRESSED) != _UNCOMPRESSED:
        return  # libtiff checks this itself
    tags = image.tag_v2
    # Not those of the picture, which Pillow gives as they are once it is upright.
    width, height = tags[IMAGEWIDTH], tags[IMAGELENGTH]
    if TILEOFFSETS in tags:
        found = len(tags[TILEOFFSETS])
        parts = math.ceil(width / tags[TILEWIDTH]) * math.ceil(height / tags[TILELENGTH])
    else:
        found = len(tags[STRIPOFFSETS])
        parts = math.ceil(height / (tags.get(ROWSPERSTRIP) or height))
    if tags.get(PLANAR_CONFIGURATION) == _SEPARATE_PLANES:
        parts *= tags.get(SAMPLESPERPIXEL, 1)
    if found < parts:
        raise ValueError(f"it has {found} of the {parts} parts of its picture")


def _bound_decoding(image: Image.Image, max_pixels: int) -> None:
    """Make Pillow decode a large image at a reduced size if its format allows; reject it if too large."""
    width, height = image.size
    if width * height <= max_pixels:
        return
    if isinstance(image, JpegImageFile) and "progressive" not in image.info:
        # Not for a progressive JPEG: its decoder holds the whole page at full size even to reduce it.
        image.draft(None, _size_within(width, height, max_pixels))
        width, height = image.size
    elif isinstance(image, Jpeg2KImageFile):
        # The decoder needs 12 bytes per pixel besides the result, so the reduced size must be below the limit.
        halvings = math.ceil(math.log(width * height / max_pixels, 4))
        image.reduce = halvings
        width, height = width >> halvings, height >> halvings
    check_decodable(width, height, max_pixels)


def _upright(page: Image.Image, scanned: Image.Image) -> Image.Image:
    """Return the page turned by its EXIF orientation. Broken EXIF data are ignored: the picture may be intact."""
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
    """Return the largest size with the same aspect ratio and at most `max_pixels` pixels."""
    factor = math.sqrt(max_pixels / (width * height))
    return max(1, int(width * factor)), max(1, int(height * factor))


def _plausible_dpi(image: Image.Image) -> float | None:
    """Return the resolution in the file: the geometric mean of both directions, which rotation does not change."""
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    low, high = _PLAUSIBLE_DPI
    return math.sqrt(across * down) if low <= across <= high and low <= down <= high else None

"""What every source checks: that a page exists, that it fits in memory, that a failed one is really damaged."""

from pathlib import Path

from checkpointing.errors import PageError, UnknownNameError
from checkpointing.regular_files import open_regular_file
from checkpointing.storage_errors import storage_errors

# Most pictures decode at full size or not at all. Up to this many times `max_pixels` is decoded and shrunk.
_DECODE_FACTOR = 4
_SCAN_AGAIN = "scan the page again and use `producer replace-page`"
_CHUNK_BYTES = 1 << 20
_LONGEST_SHAPE = 8


def check_page_number(number: int, total_pages: int) -> None:
    """Refuse a page that the source does not have.

    Raises:
        UnknownNameError: the number is not from 1 to `total_pages`.
    """
    if not 1 <= number <= total_pages:
        raise UnknownNameError(f"there is no page {number}; the scan has pages 1 to {total_pages}")


def check_decodable(width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture with more than four times the pixels of a page: it would need too much memory to decode.

    Raises:
        PageError: `page_too_large`.
    """
    limit = _DECODE_FACTOR * max_pixels
    if width * height > limit:
        raise PageError(
            "page_too_large",
            f"page is {width} x {height} pixels, and at most {limit:,} in all are decoded",
            hint="set LEAFMARK_MAX_PIXELS higher or make the image smaller",
        )


def damaged_page(path: Path, reason: object, advice: str = _SCAN_AGAIN) -> PageError:
    """Return the error for a page that cannot be decoded, for the reason that the decoder gave.

    A decoder cannot distinguish damaged bytes from bytes that the storage failed to deliver, and after this error
    the page is not tried again. So the file is first read from end to end.

    Raises:
        StorageError: the file cannot be read at the moment, so nothing is known about the page.
    """
    check_readable(path)
    one_line = " ".join(str(reason).split()) or type(reason).__name__
    return PageError("damaged_page", f"{path.name} cannot be decoded: {one_line}", hint=advice)


def check_readable(path: Path) -> None:
    """Read a file from end to end.

    Raises:
        StorageError: it cannot be read at the moment.
    """
    with storage_errors(path), open_regular_file(path) as file:
        while file.read(_CHUNK_BYTES):
            pass


def why_shape_is_unreadable(width: int, height: int) -> str:
    """Return why an engine may find no text on a page of so many pixels; empty for most shapes."""
    if max(width, height) <= _LONGEST_SHAPE * min(width, height):
        return ""
    return f"the page is {width} x {height} pixels, which is too long to be read as one; split it"

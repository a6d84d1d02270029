"""What every source checks: that a page exists, that it fits in memory, that a failed one is really damaged."""

from pathlib import Path

from checkpointing.errors import PageError, UnknownNameError
from checkpointing.regular_files import open_regular_file
from checkpointing.storage_errors import storage_error

DECODE_FACTOR = 4
"""Most pictures decode at full size or not at all. Up to this many times `max_pixels` is decoded and shrunk."""

SCAN_AGAIN = "scan the page again and use `producer replace-page`"
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
    """Refuse a picture that would need too much memory to decode at this size.

    Args:
        width: in pixels.
        height: in pixels.
        max_pixels: the bound for a page; `DECODE_FACTOR` times this may be decoded.

    Raises:
        PageError: `page_too_large`.
    """
    limit = DECODE_FACTOR * max_pixels
    if width * height > limit:
        raise PageError(
            "page_too_large",
            f"page is {width} x {height} pixels, and at most {limit:,} in all are decoded",
            hint="set LEAFMARK_MAX_PIXELS higher or make the image smaller",
        )


def damaged_page(path: Path, reason: object, advice: str = SCAN_AGAIN) -> PageError:
    """The error for a page that cannot be decoded, made once its file has been read from end to end.

    A decoder cannot tell bad bytes from bytes that the storage failed to deliver, and a page is given up for
    good on the strength of this error. So the storage is asked first.

    Args:
        path: the file that holds the page.
        reason: what the decoder said.
        advice: what the user can do about it.

    Returns:
        The error to raise.

    Raises:
        StorageError: the file cannot be read just now, so nothing is known about the page.
    """
    check_readable(path)
    one_line = " ".join(str(reason).split()) or type(reason).__name__
    return PageError("damaged_page", f"{path.name} cannot be decoded: {one_line}", hint=advice)


def check_readable(path: Path) -> None:
    """Read a file from end to end.

    Raises:
        StorageError: it cannot be read just now.
    """
    try:
        with open_regular_file(path) as file:
            while file.read(_CHUNK_BYTES):
                pass
    except OSError as error:
        raise storage_error(error, path) from error


def why_shape_is_unreadable(width: int, height: int) -> str:
    """Why an engine, which looks at a picture as a whole, may find no text on one of this shape; empty for most.

    Args:
        width: in pixels.
        height: in pixels.
    """
    if max(width, height) <= _LONGEST_SHAPE * min(width, height):
        return ""
    return f"the page is {width} x {height} pixels, which is too long to be read as one; split it"

"""Check that the data of a JPEG, a JBIG2 or a fax picture are complete.

Where they end too early, pdfium draws grey, black or white and reports no error: half a page would count as read.
"""

import contextlib
import io
import struct
from typing import NamedTuple

from PIL import Image, ImageChops, UnidentifiedImageError

JPEG_END = b"\xff\xd9"
# Two continuations without a marker that every decoder draws differently.
_CONTINUATIONS = (bytes(256), b"\x55" * 256)
# Share of a picture that may be missing at its end: some writers lose the last row or the last bytes.
_TOLERATED = 0.02

_END_OF_FAX = "000000000001" * 2
_TAIL_BYTES = 64


class _FaxForm(NamedTuple):
    """A form of fax data: its TIFF tags, and rows that are not blank, so that they show where rows are missing."""

    compression: int
    options_tag: int
    options: int
    continuation: bytes


def _packed(bits: str) -> bytes:
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


_END_OF_LINE = "000000000001"
# No white, then black to the end of any row: twice 1,728 pixels.
_BLACK_ROW = "00110101" + "0000001100101" * 2 + "0000110111"
_FAX_FORMS = (
    _FaxForm(4, 293, 0, b"\xff" * 64),
    _FaxForm(3, 292, 0, _packed((_END_OF_LINE + _BLACK_ROW) * 64)),
    _FaxForm(3, 292, 1, _packed((_END_OF_LINE + "1" + _BLACK_ROW) * 64)),
)

_JBIG2_FILE = b"\x97JB2\r\n\x1a\n"
_JBIG2_REGIONS = {4, 6, 7, 20, 22, 23, 36, 38, 39, 40, 42, 43}
_JBIG2_TYPES = _JBIG2_REGIONS | {0, 16, 48, 50, 52, 53, 62}
_JBIG2_END_OF_PAGE = {49, 51}
_UNKNOWN_LENGTH = 0xFFFFFFFF
_MISSING_BYTES = 2


def jpeg_is_whole(data: bytes) -> bool:
    """Return whether a JPEG has data for its whole picture; only its end marker may be missing.

    Return True for data that Pillow does not recognise as a JPEG.
    """
    try:
        # At an eighth of its size all of its data are read, in a fraction of the time.
        _decode_jpeg(data, reduction=8)
    except UnidentifiedImageError:
        return True
    except OSError:
        # If only the end marker is missing, the continuation makes no difference.
        cut = data.rstrip(b"\xff")
        try:
            return _same_but_the_end(*(_decode_jpeg(cut + more + JPEG_END) for more in _CONTINUATIONS))
        except OSError:
            return False
    return True


def _decode_jpeg(data: bytes, reduction: int = 1) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        if reduction > 1:
            image.draft(None, (max(1, image.width // reduction), max(1, image.height // reduction)))
        image.load()
        return image.copy()


def _same_but_the_end(first: Image.Image, second: Image.Image) -> bool:
    differ = ImageChops.difference(first, second).getbbox()
    return differ is None or differ[1] >= first.height * (1 - _TOLERATED)


def fax_is_whole(data: bytes, picture: Image.Image) -> bool:
    """Return whether the data of a picture in CCITT Group 3 or 4 have all of its rows.

    `picture` is what pdfium made of them, in mode `1` or `L`. Return True if libtiff makes another picture of them.
    """
    tail = data[-_TAIL_BYTES:]
    if _END_OF_FAX in f"{int.from_bytes(tail, 'big'):0{8 * len(tail)}b}":
        return True
    for form in _FAX_FORMS:
        with contextlib.suppress(OSError):
            alone = _decode_fax(data, picture.size, form)
            if _is_picture(alone, picture):
                return _same_but_the_end(alone, _decode_fax(data + form.continuation, picture.size, form))
    return True


def _decode_fax(data: bytes, size: tuple[int, int], form: _FaxForm) -> Image.Image:
    """Decode fax data by libtiff, as the one strip of a TIFF."""
    width, height = size
    tags = {256: width, 257: height, 258: 1, 259: form.compression, 262: 0, 273: 8, 277: 1, 278: height}
    tags |= {279: len(data), form.options_tag: form.options}
    table = struct.pack("<H", len(tags))
    table += b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    padded = data + bytes(len(data) % 2)
    content = b"II*\0" + struct.pack("<I", 8 + len(padded)) + padded + table + bytes(4)
    with Image.open(io.BytesIO(content), formats=("TIFF",)) as image:
        image.load()
        return image.convert("L")


def _is_picture(fax: Image.Image, picture: Image.Image) -> bool:
    """Return whether the upper rows of both are the same or inverted; the lower ones may be missing."""
    upper = (0, 0, fax.width, max(1, fax.height // 16))
    mine, theirs = fax.crop(upper), picture.convert("L").crop(upper)
    return any(ImageChops.difference(mine, each).getbbox() is None for each in (theirs, ImageChops.invert(theirs)))


def jbig2_is_whole(data: bytes) -> bool:
    """Return whether each segment of a JBIG2 picture in a PDF has the bytes that it declares (ITU-T T.88, 7.2)."""
    if data.startswith(_JBIG2_FILE):
        return True
    place, regions = 0, 0
    while (segment := _jbig2_segment(data, place)) is not None:
        kind, body, length = segment
        if kind in _JBIG2_END_OF_PAGE or length == _UNKNOWN_LENGTH:
            return True
        if kind not in _JBIG2_TYPES:
            break  # anything may follow the last region
        if body + length > len(data) + _MISSING_BYTES:
            return False
        regions += kind in _JBIG2_REGIONS
        place = body + length
    return regions > 0


def _jbig2_segment(data: bytes, place: int) -> tuple[int, int, int] | None:
    """Return type, start of the data and their length in bytes of the segment at `place`; None without a header."""
    try:
        number, flags, counts = struct.unpack_from(">IBB", data, place)
        place += 6
        referred = counts >> 5
        if referred == 7:  # noqa: PLR2004  # the long form
            [referred] = struct.unpack_from(">I", data, place - 1)
            referred &= 0x1FFFFFFF
            place += 3 + (referred + 8) // 8
        place += referred * (1 if number <= 256 else 2 if number <= 65536 else 4)  # noqa: PLR2004  # as the standard has it
        place += 4 if flags & 0x40 else 1
        [length] = struct.unpack_from(">I", data, place)
    except struct.error:
        return None
    return flags & 0x3F, place + 4, length

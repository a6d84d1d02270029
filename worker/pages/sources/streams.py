"""Whether the data of a picture are whole, for the forms that decoders fill up in silence when they are cut off.

pdfium draws grey, black or white where a JPEG, a JBIG2 or a fax picture ends too early, and reports nothing: a page
of which half is missing would count as read.
"""

import contextlib
import io
import struct
from typing import NamedTuple

from PIL import Image, ImageChops, UnidentifiedImageError

JPEG_END = b"\xff\xd9"
# Two ways to go on that no decoder takes for the same picture, and no marker.
_CONTINUATIONS = (bytes(256), b"\x55" * 256)
# So much of a picture may be missing at its end: writers lose a last row, or the last bytes of the file.
_TOLERATED = 0.02
_SMALL = 8

_END_OF_FAX = "000000000001" * 2
_TAIL_BYTES = 64


class _FaxForm(NamedTuple):
    """One of the forms of fax data.

    Attributes:
        compression: as a TIFF names it.
        options_tag: the tag of its options.
        options: what stands there.
        continuation: rows of such data that are not blank, so that they show where rows are missing.
    """

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
    """Whether a JPEG has data for its whole picture. One that lacks only its end marker has.

    What Pillow does not take for a JPEG is not judged here.
    """
    try:
        # At an eighth of its size: all of its data are read, in a fraction of the time.
        _decode_jpeg(data, _SMALL)
    except UnidentifiedImageError:
        return True
    except OSError:
        # Cut off; or only the end marker is missing, and then it does not matter what follows.
        return _goes_on_alike(data.rstrip(b"\xff"))
    return True


def _decode_jpeg(data: bytes, reduction: int = 1) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        if reduction > 1:
            image.draft(None, (max(1, image.width // reduction), max(1, image.height // reduction)))
        image.load()
        return image.copy()


def _goes_on_alike(data: bytes) -> bool:
    try:
        first, second = (_decode_jpeg(data + more + JPEG_END) for more in _CONTINUATIONS)
    except OSError:
        return False
    return _same_but_the_end(first, second)


def _same_but_the_end(first: Image.Image, second: Image.Image) -> bool:
    differ = ImageChops.difference(first, second).getbbox()
    return differ is None or differ[1] >= first.height * (1 - _TOLERATED)


def fax_is_whole(data: bytes, picture: Image.Image) -> bool:
    """Whether a picture in CCITT Group 3 or 4 has data for all of its rows.

    Args:
        data: the compressed rows.
        picture: what pdfium made of them, in mode `1` or `L`. Data that libtiff makes another picture of are not
            judged here.
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
    """Whether the upper rows of both are the same, in either polarity: the lower ones may be what is missing."""
    upper = (0, 0, fax.width, max(1, fax.height // 16))
    mine, theirs = fax.crop(upper), picture.convert("L").crop(upper)
    return any(ImageChops.difference(mine, each).getbbox() is None for each in (theirs, ImageChops.invert(theirs)))


def jbig2_is_whole(data: bytes) -> bool:
    """Whether each segment of a JBIG2 picture, as PDFs embed it, has the bytes that it should (ITU-T T.88, 7.2)."""
    if data.startswith(_JBIG2_FILE):
        return True
    place, regions = 0, 0
    while (segment := _jbig2_segment(data, place)) is not None:
        kind, body, length = segment
        if kind in _JBIG2_END_OF_PAGE or length == _UNKNOWN_LENGTH:
            return True
        if kind not in _JBIG2_TYPES:
            # What follows the last region may be anything.
            break
        if body + length > len(data) + _MISSING_BYTES:
            return False
        regions += kind in _JBIG2_REGIONS
        place = body + length
    return regions > 0


def _jbig2_segment(data: bytes, place: int) -> tuple[int, int, int] | None:
    """The type of a segment, where its data begin, and how many bytes they have; None where there is no header."""
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

"""Inspect the pictures on a page of a PDF: their share of the page, their resolution, and whether they are damaged.

The caller holds `pdfium_lock` and keeps the page open.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import pypdfium2
from PIL.Image import Image
from pypdfium2.raw import (
    FPDF_COLORSPACE_CALGRAY,
    FPDF_COLORSPACE_CALRGB,
    FPDF_COLORSPACE_DEVICECMYK,
    FPDF_COLORSPACE_DEVICEGRAY,
    FPDF_COLORSPACE_DEVICERGB,
    FPDF_COLORSPACE_ICCBASED,
    FPDF_COLORSPACE_INDEXED,
    FPDF_COLORSPACE_LAB,
    FPDF_COLORSPACE_SEPARATION,
    FPDF_PAGEOBJ_IMAGE,
    FPDFImageObj_GetBitmap,
    FPDFImageObj_GetImageDataDecoded,
    FPDFImageObj_GetRenderedBitmap,
)

from worker.pages.sources.streams import fax_is_whole, jbig2_is_whole, jpeg_is_whole

_JPEG = {"DCTDecode", "DCT"}
_FAX = {"CCITTFaxDecode", "CCF"}
_JBIG2 = "JBIG2Decode"
# pdfium draws these completely or not at all.
_ALL_OR_NOTHING = {"JPXDecode"}
_ONE = {FPDF_COLORSPACE_DEVICEGRAY, FPDF_COLORSPACE_CALGRAY, FPDF_COLORSPACE_SEPARATION, FPDF_COLORSPACE_INDEXED}
_THREE = {FPDF_COLORSPACE_DEVICERGB, FPDF_COLORSPACE_CALRGB, FPDF_COLORSPACE_LAB}
# Minimum difference of grey levels, from 0 to 255; print on paper has more contrast.
_CONTRAST = 128
# Minimum share of a page of the pictures that determine its resolution.
_GOOD_PART = 0.25
# Minimum share of a page of the pictures that make it a scan.
_A_SCAN = 0.8
# Fraction of `least_share`: smaller pictures are not checked.
_LITTLE = 0.02
# Bits per pixel with four inks.
_ONE_BIT_AN_INK = 4
# Pictures whose resolutions differ by at most this fraction are pieces of one picture.
_SAME_FINENESS = 0.005
# Fraction of a picture's data that may be missing at its end, or that may follow it.
_TOLERATED = 0.02


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on a page.

    Attributes:
        shown: the object of pdfium.
        width, height: in pixels.
        share: part of the page that the picture covers, from 0 to 1.
        fineness: pixels per point, in the direction with more pixels; 0 if the picture has no extent.
    """

    shown: pypdfium2.PdfImage
    width: int
    height: int
    share: float
    fineness: float


def pictures_on(page: pypdfium2.PdfPage) -> Iterator[Picture]:
    """Yield the pictures on a page, including inline pictures and those inside form XObjects."""
    left, bottom, right, top = page.get_bbox()
    area = (right - left) * (top - bottom)
    for shown in page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE]):
        width, height = shown.get_px_size()
        a, b, c, d, e, f = _matrix_on_page(shown).get()
        across, down = math.hypot(a, b), math.hypot(c, d)
        xs, ys = (e, e + a, e + c, e + a + c), (f, f + b, f + d, f + b + d)
        seen = max(0.0, min(right, max(xs)) - max(left, min(xs))) * max(
            0.0, min(top, max(ys)) - max(bottom, min(ys))
        )
        yield Picture(
            shown,
            width,
            height,
            share=min(seen, abs(a * d - b * c)) / area if area > 0 else 0.0,
            fineness=max(width / across, height / down) if across and down else 0.0,
        )


def fineness_of(pictures: Sequence[Picture]) -> float:
    """Return the minimum pixels per point of the finest pictures that cover `_GOOD_PART` of the page; else 0."""
    covered = 0.0
    for picture in sorted(pictures, key=lambda each: each.fineness, reverse=True):
        covered += picture.share
        if covered >= _GOOD_PART:
            return picture.fineness
    return 0.0


def is_shown_in_full(pictures: Sequence[Picture], scale: float) -> bool:
    """Return whether a page is a scan, and is rendered at its full resolution by this scale in pixels per point.

    Programs that treat a pixel as a point turn a scan into a page of 70 x 100 inches.
    """
    return sum(picture.share for picture in pictures) >= _A_SCAN and scale >= fineness_of(pictures) > 0


def check_whole(pictures: Sequence[Picture], least_share: float) -> None:
    """Check that the pictures on a page are not damaged.

    pdfium draws a damaged picture partly or not at all, and reports no error: without this check the page would
    count as complete, without the text on the picture.

    Args:
        pictures: on a page.
        least_share: minimum part of the page. Damaged pictures that cover less in total count as decoration, unless
            they are pieces (strips, tiles) of a picture that covers most of the page.

    Raises:
        PdfiumError: damaged pictures cover at least that part; the message has their share and the damage.
    """
    covered, reason = 0.0, ""
    for picture in pictures:
        if picture.share > least_share * _LITTLE and (why := _why_not_whole(picture)):
            covered += picture.share
            reason = reason or why
            together = _share_of_all_pieces(picture, pictures)
            if covered < least_share and together >= _A_SCAN:
                raise pypdfium2.PdfiumError(
                    f"a part of a picture that covers {min(together, 1.0):.0%} of it is damaged: {reason}"
                )
    if reason and covered >= least_share:
        raise pypdfium2.PdfiumError(f"a picture that covers {min(covered, 1.0):.0%} of it is damaged: {reason}")


def _share_of_all_pieces(picture: Picture, pictures: Sequence[Picture]) -> float:
    """Return the share of the page of all pictures with the same resolution, which are pieces of one scan.

    A strip of a few rows is small, but can hold a line of text.
    """
    return sum(
        other.share
        for other in pictures
        if abs(other.fineness - picture.fineness) <= picture.fineness * _SAME_FINENESS
    )


def _why_not_whole(picture: Picture) -> str:
    """Return why a picture cannot be decoded completely; empty if it can."""
    bitmap = FPDFImageObj_GetBitmap(picture.shown)
    if not bitmap:
        rendered = _rendered(picture.shown)
        return "" if rendered and rendered.getcolors(maxcolors=1) is None else "it cannot be decoded"
    filters = picture.shown.get_filters()
    last = filters[-1] if filters else ""
    # Its memory is freed with the last reference to it, while the caller still holds the lock.
    drawn = pypdfium2.PdfBitmap.from_raw(bitmap)
    if last not in _ALL_OR_NOTHING and not _is_whole(last, drawn, picture):
        return "its data are cut off"
    return "its mask hides all of it" if _is_hidden(picture.shown, drawn) else ""


def _is_hidden(shown: pypdfium2.PdfImage, drawn: pypdfium2.PdfBitmap) -> bool:
    """Return whether the mask of a picture hides all of it although the picture is not blank.

    pdfium treats a soft mask that it cannot decode as one that hides everything, and does not expose which pictures
    have one. The picture of a blank layer has about one colour.
    """
    rendered = _rendered(shown)
    if rendered is None or "A" not in rendered.getbands() or rendered.getchannel("A").getextrema() != (0, 0):
        return False
    darkest, lightest = cast("tuple[int, int]", drawn.to_pil().convert("L").getextrema())
    return lightest - darkest >= _CONTRAST


def _rendered(shown: pypdfium2.PdfImage) -> Image | None:
    """Return a picture as pdfium draws it, with its mask; None if it draws nothing."""
    bitmap = FPDFImageObj_GetRenderedBitmap(shown.pdf, shown.page, shown)
    return pypdfium2.PdfBitmap.from_raw(bitmap).to_pil() if bitmap else None


def _is_whole(last: str, drawn: pypdfium2.PdfBitmap, picture: Picture) -> bool:
    if last in _JPEG:
        return jpeg_is_whole(_data(picture.shown))
    if last in _FAX:
        return fax_is_whole(_data(picture.shown), drawn.to_pil())
    if last == _JBIG2:
        return jbig2_is_whole(_data(picture.shown))
    return _has_all_rows(FPDFImageObj_GetImageDataDecoded(picture.shown, None, 0), drawn, picture)


def _has_all_rows(found: int, drawn: pypdfium2.PdfBitmap, picture: Picture) -> bool:
    """Return whether the number of bytes found is enough for all rows of a decompressed picture."""
    metadata = picture.shown.get_metadata()
    colours = metadata.colorspace
    usual, fewer, more = _bits_of_a_pixel(colours, metadata.bits_per_pixel)
    whole = _bytes_of(picture, usual)
    if found >= whole * (1 - _TOLERATED):
        sizes = [whole, *(_bytes_of(picture, bits) for bits in more)]
        if any(abs(found - size) <= size * _TOLERATED for size in sizes):
            return True
        # All rows with extra data after them, or some of the rows at more bits per pixel; pdfium fills up the rest.
        white = colours in {FPDF_COLORSPACE_DEVICECMYK, FPDF_COLORSPACE_ICCBASED}
        return not any(_ends_filled_up(drawn, found / size, white) for size in sizes if found < size)
    for bits in fewer:
        size = _bytes_of(picture, bits)
        if abs(found - size) <= size * _TOLERATED:
            # All rows at few bits per pixel, or some rows at more. One bit per ink is usual; white is paper then.
            white = colours == FPDF_COLORSPACE_DEVICECMYK and bits > _ONE_BIT_AN_INK
            return not (_has_more_levels(drawn, colours, bits) or _ends_filled_up(drawn, found / whole, white))
    return False


def _bits_of_a_pixel(colours: int, drawn_bits: int) -> tuple[int, set[int], set[int]]:
    """Return the usual number of bits per pixel in the data, and the possible lower and higher ones.

    pdfium exposes only the number of the colour space and the bits per pixel that it draws.
    """
    if drawn_bits == 1:
        return 1, set(), set()
    if colours in _ONE or drawn_bits == 8:  # noqa: PLR2004  # grey, or a palette
        return 8, {1, 2, 4}, {16}
    if colours in _THREE:
        return 24, {3, 6, 12}, {48}
    if colours == FPDF_COLORSPACE_DEVICECMYK:
        return 32, {4, 8, 16}, {64}
    if colours == FPDF_COLORSPACE_ICCBASED:
        return 24, {3, 4, 6, 8, 12, 16}, {32, 48, 64}
    return 24, {count * depth for count in range(1, 9) for depth in (1, 2, 4, 8)}, set()


def _bytes_of(picture: Picture, bits: int) -> int:
    return math.ceil(picture.width * bits / 8) * picture.height


def _has_more_levels(drawn: pypdfium2.PdfBitmap, colours: int, bits: int) -> bool:
    """Return whether a picture has more shades than this many bits per pixel allow: its data have more bits."""
    if colours in _ONE:
        most = 2**bits
    elif colours == FPDF_COLORSPACE_DEVICERGB:
        most = 2 ** (bits // 3)
    else:
        # The channels are mixed.
        return False
    image: Image = drawn.to_pil().convert("RGB")
    return any(sum(count > 0 for count in band.histogram()) > most for band in image.split())


def _ends_filled_up(drawn: pypdfium2.PdfBitmap, share: float, white: bool) -> bool:
    """Return whether a picture is black below a share of its rows, or white if zeros can mean white."""
    image: Image = drawn.to_pil().convert("L")
    below = image.crop((0, math.ceil(image.height * share), *image.size)).getextrema()
    return below == (0, 0) or (white and below == (255, 255))


def _data(shown: pypdfium2.PdfImage) -> bytes:
    """Return the data of a picture, with general-purpose filters (Flate, LZW, RunLength, ASCII) undone."""
    return bytes(shown.get_data(decode_simple=True))


def _matrix_on_page(shown: pypdfium2.PdfObject) -> pypdfium2.PdfMatrix:
    """Return the matrix from the unit square of a picture to the page, through the forms that contain it."""
    matrix, container = shown.get_matrix(), shown.container
    while container is not None:
        matrix = matrix.multiply(container.get_matrix())
        container = container.container
    return matrix

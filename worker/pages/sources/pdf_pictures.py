"""The pictures on a page of a PDF: how much of it each one covers, how fine it is, and whether it decodes whole.

The caller holds `pdfium_lock`, and the page stays open.
"""

import math
from collections.abc import Iterator, Sequence
from ctypes import c_char, c_ulong
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
# pdfium draws these whole or not at all.
_ALL_OR_NOTHING = {"JPXDecode"}
_ONE = {
    FPDF_COLORSPACE_DEVICEGRAY,
    FPDF_COLORSPACE_CALGRAY,
    FPDF_COLORSPACE_SEPARATION,
    FPDF_COLORSPACE_INDEXED,
}
_THREE = {FPDF_COLORSPACE_DEVICERGB, FPDF_COLORSPACE_CALRGB, FPDF_COLORSPACE_LAB}
# Of grey: that of print on paper is larger.
_CONTRAST = 128
# Of a page: what its resolution is chosen by.
_GOOD_PART = 0.25
# Of a page: pictures that cover so much of it are a scan of it.
_A_SCAN = 0.8
# Of the least share: pictures that are smaller are not looked at.
_LITTLE = 0.02
# Bits a pixel, of four inks.
_ONE_BIT_AN_INK = 4
# Pictures of the same resolution, within so much, are pieces of one.
_SAME_FINENESS = 0.005
# So many rows may be missing at the end of a picture, and so much may follow it.
_TOLERATED = 0.02


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on a page.

    Attributes:
        shown: pdfium's object.
        width: in pixels.
        height: in pixels.
        share: of the page that it covers, from 0 to 1.
        fineness: pixels per point, in the direction that has more of them; 0 where it has no extent.
    """

    shown: pypdfium2.PdfImage
    width: int
    height: int
    share: float
    fineness: float


def pictures_on(page: pypdfium2.PdfPage) -> Iterator[Picture]:
    """The pictures on a page, inside form XObjects too, and inline ones.

    Raises:
        PdfiumError: the page cannot be looked through.
    """
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
    """Pixels per point that a good part of the page has at the least, in its pictures; 0 for a page without any."""
    covered = 0.0
    for picture in sorted(pictures, key=lambda each: each.fineness, reverse=True):
        covered += picture.share
        if covered >= _GOOD_PART:
            return picture.fineness
    return 0.0


def is_shown_in_full(pictures: Sequence[Picture], scale: float) -> bool:
    """Whether a page is a scan, rendered at its resolution: more pixels would not show more of it.

    Programs that take a pixel for a point make pages of 70 x 100 inches of it.

    Args:
        pictures: on the page.
        scale: that it is rendered at, in pixels per point.
    """
    return sum(picture.share for picture in pictures) >= _A_SCAN and scale >= fineness_of(pictures) > 0


def check_whole(pictures: Sequence[Picture], least_share: float) -> None:
    """Tell a page from one whose picture is broken: pdfium draws nothing for it, or a part, and says nothing.

    Without this the page would count as done, without the text that is on the picture.

    Args:
        pictures: on a page.
        least_share: of the page; where all that do not decode whole cover less, they are a matter of decoration,
            unless they are pieces (strips, tiles) of a picture that covers most of the page.

    Raises:
        PdfiumError: pictures that do not decode whole cover that much; says how much and what is wrong.
    """
    covered, reason = 0.0, ""
    for picture in pictures:
        if picture.share > least_share * _LITTLE and (why := why_not_whole(picture)):
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
    """How much of the page all pictures of the same resolution cover, which are pieces of one scan.

    A strip of a few rows is small by itself, and holds a line of text all the same.
    """
    return sum(
        other.share
        for other in pictures
        if abs(other.fineness - picture.fineness) <= picture.fineness * _SAME_FINENESS
    )


def why_not_whole(picture: Picture) -> str:
    """What keeps a picture from being decoded whole; empty where nothing does."""
    bitmap = FPDFImageObj_GetBitmap(picture.shown)
    if not bitmap:
        return "it cannot be decoded" if _draws_nothing(picture.shown) else ""
    filters = picture.shown.get_filters()
    last = filters[-1] if filters else ""
    # Its memory is given back where the last reference to it ends: within the caller's hold of the lock.
    drawn = pypdfium2.PdfBitmap.from_raw(bitmap)
    if last not in _ALL_OR_NOTHING and not _is_whole(last, drawn, picture):
        return "its data are cut off"
    return "its mask hides all of it" if _is_hidden(picture.shown, drawn) else ""


def _is_hidden(shown: pypdfium2.PdfImage, drawn: pypdfium2.PdfBitmap) -> bool:
    """Whether the mask of a picture lets nothing of it be seen, though there is something to see.

    pdfium takes a soft mask that it cannot decode for one that hides everything, and does not tell which pictures
    have one. The picture of a layer in which nothing is to be seen (a blank page) is of about one colour.
    """
    bitmap = FPDFImageObj_GetRenderedBitmap(shown.pdf, shown.page, shown)
    if not bitmap:
        return False
    rendered: Image = pypdfium2.PdfBitmap.from_raw(bitmap).to_pil()
    if "A" not in rendered.getbands() or rendered.getchannel("A").getextrema() != (0, 0):
        return False
    picture: Image = drawn.to_pil()
    darkest, lightest = cast("tuple[int, int]", picture.convert("L").getextrema())
    return lightest - darkest >= _CONTRAST


def _is_whole(last: str, drawn: pypdfium2.PdfBitmap, picture: Picture) -> bool:
    if last in _JPEG:
        return jpeg_is_whole(_data(picture.shown))
    if last in _FAX:
        image: Image = drawn.to_pil()
        return fax_is_whole(_data(picture.shown), image)
    if last == _JBIG2:
        return jbig2_is_whole(_data(picture.shown))
    return _has_all_rows(FPDFImageObj_GetImageDataDecoded(picture.shown, None, 0), drawn, picture)


def _draws_nothing(shown: pypdfium2.PdfImage) -> bool:
    """Whether pdfium really leaves a picture out that it cannot decode by itself."""
    bitmap = FPDFImageObj_GetRenderedBitmap(shown.pdf, shown.page, shown)
    if not bitmap:
        return True
    image: Image = pypdfium2.PdfBitmap.from_raw(bitmap).to_pil()
    return image.getcolors(maxcolors=1) is not None


def _has_all_rows(found: int, drawn: pypdfium2.PdfBitmap, picture: Picture) -> bool:
    """Whether so many bytes are all rows of a picture that is not compressed any more, or more than these."""
    metadata = picture.shown.get_metadata()
    colours = metadata.colorspace
    usual, fewer, more = _bits_of_a_pixel(colours, metadata.bits_per_pixel)
    whole = _bytes_of(picture, usual)
    if found >= whole * (1 - _TOLERATED):
        sizes = [whole, *(_bytes_of(picture, bits) for bits in more)]
        if any(abs(found - size) <= size * _TOLERATED for size in sizes):
            return True
        # All rows, and something after them; or some of the rows of more bits, and pdfium fills up the others.
        white = colours in {FPDF_COLORSPACE_DEVICECMYK, FPDF_COLORSPACE_ICCBASED}
        return not any(_ends_filled_up(drawn, found / size, white) for size in sizes if found < size)
    for bits in fewer:
        size = _bytes_of(picture, bits)
        if abs(found - size) <= size * _TOLERATED:
            # All rows of few bits, or some of the rows of more. One bit an ink is usual, and then white is paper.
            white = colours == FPDF_COLORSPACE_DEVICECMYK and bits > _ONE_BIT_AN_INK
            return not (_has_more_levels(drawn, colours, bits) or _ends_filled_up(drawn, found / whole, white))
    return False


def _bits_of_a_pixel(colours: int, drawn_bits: int) -> tuple[int, set[int], set[int]]:
    """How many bits a pixel usually has in the data, which fewer, and which more are possible: pdfium tells none.

    Args:
        colours: pdfium's number of the colour space.
        drawn_bits: of a pixel as pdfium draws it.
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
    """Whether a picture has more shades than so many bits a pixel can give: its data are of more bits, then."""
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
    """Whether a picture is black below a share of its rows; or white, where that is what zeros mean."""
    image: Image = drawn.to_pil().convert("L")
    below = image.crop((0, math.ceil(image.height * share), *image.size)).getextrema()
    return below == (0, 0) or (white and below == (255, 255))


def _data(shown: pypdfium2.PdfImage) -> bytes:
    """The data of a picture without the filters that are not of pictures (Flate, LZW, RunLength, ASCII)."""
    size = FPDFImageObj_GetImageDataDecoded(shown, None, 0)
    buffer = (c_char * size)()
    FPDFImageObj_GetImageDataDecoded(shown, buffer, c_ulong(size))
    return bytes(buffer)


def _matrix_on_page(shown: pypdfium2.PdfObject) -> pypdfium2.PdfMatrix:
    """From the unit square of a picture to the page, through the forms that it is in."""
    matrix, container = shown.get_matrix(), shown.container
    while container is not None:
        matrix = matrix.multiply(container.get_matrix())
        container = container.container
    return matrix

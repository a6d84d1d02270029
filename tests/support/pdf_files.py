"""Tiny PDFs made by hand: a page with a picture in any of the forms that a PDF has for pictures, and live text."""

import io
import struct
import zlib

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 600, 800
_GREY = b"/ColorSpace/DeviceGray/BitsPerComponent 8"
_BITONAL = b"/ColorSpace/DeviceGray/BitsPerComponent 1"
_FAX = b"/DecodeParms<</K %d/Columns %d/Rows %d>>"
LIBRARY_LINE = b"BT /F 12 Tf 20 5 Td (Digitized by the County Library) Tj ET"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def pdf_of(*objects: bytes) -> bytes:
    """A PDF file of these objects, numbered from 1; the first is the catalogue."""
    body = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    xref = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<</Size %d/Root 1 0 R>>\n" % (size, table, size)
    return body + xref + b"startxref\n%d\n%%%%EOF\n" % len(body)


def stream(dictionary: bytes, content: bytes) -> bytes:
    """A stream object."""
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (dictionary, len(content), content)


def page_pdf(box: tuple[float, float], content: bytes, *objects: bytes, more: bytes = b"") -> bytes:
    """A PDF of one page.

    Args:
        box: width and height, in points.
        content: of the page; `/F` is a font, `/I` the first of the objects.
        objects: numbered from 6.
        more: entries of the page's dictionary.
    """
    return pdf_of(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %g %g]/Contents 4 0 R%s"
        b"/Resources<</Font<</F 5 0 R>>/XObject<</I 6 0 R>>>>>>" % (*box, more),
        stream(b"", content),
        FONT,
        *objects,
    )


def picture_pdf(picture: bytes, *objects: bytes, box: tuple[float, float] = (300, 400)) -> bytes:
    """A page that a picture covers but for a line of live text at its foot."""
    content = b"q %g 0 0 %g 0 20 cm /I Do Q " % (box[0], box[1] - 20)
    return page_pdf(box, content + LIBRARY_LINE, picture, *objects)


def picture_object(dictionary: bytes, data: bytes, size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    """A picture, as a stream object."""
    return stream(b"/Type/XObject/Subtype/Image/Width %d/Height %d%s" % (*size, dictionary), data)


def drawn(mode: str = "L", size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """A picture of lines of type, from its top to its foot."""
    image = Image.new("L", size, 255)
    draw = ImageDraw.Draw(image)
    for line in range(size[1] // 40):
        draw.text((20, 10 + line * 40), f"line {line} lorem ipsum dolor sit amet", fill=0, font_size=24)
    return image.convert(mode)


def jpeg_of(image: Image.Image, **options: bool) -> bytes:
    """A JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80, **options)
    return buffer.getvalue()


def forms() -> dict[str, tuple[bytes, bytes]]:
    """The forms of a picture: the dictionary of each, and its data."""
    grey, bitonal = drawn("L").tobytes(), drawn("1").tobytes()
    deflated = zlib.compress(grey)
    group_3, group_4 = _strip(drawn("1"), "group3"), _strip(drawn("1"), "group4")
    return {
        "JPEG": (_GREY + b"/Filter/DCTDecode", jpeg_of(drawn())),
        "JPEG, progressive": (_GREY + b"/Filter/DCTDecode", jpeg_of(drawn(), progressive=True)),
        "JPEG, colour": (b"/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/DCTDecode", jpeg_of(drawn("RGB"))),
        "JPEG, CMYK": (b"/ColorSpace/DeviceCMYK/BitsPerComponent 8/Filter/DCTDecode", jpeg_of(drawn("CMYK"))),
        "JPEG in Flate": (_GREY + b"/Filter[/FlateDecode/DCTDecode]", zlib.compress(jpeg_of(drawn()))),
        "JPEG 2000": (b"/Filter/JPXDecode", _jpeg_2000()),
        "Flate": (_GREY + b"/Filter/FlateDecode", deflated),
        "Flate, bitonal": (_BITONAL + b"/Filter/FlateDecode", zlib.compress(bitonal)),
        "Flate, colour": (
            b"/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/FlateDecode",
            zlib.compress(drawn("RGB").tobytes()),
        ),
        "Flate, 4 bits": (
            b"/ColorSpace/DeviceGray/BitsPerComponent 4/Filter/FlateDecode",
            zlib.compress(
                bytes(upper & 0xF0 | lower >> 4 for upper, lower in zip(grey[::2], grey[1::2], strict=True))
            ),
        ),
        "Flate, image mask": (
            b"/ImageMask true/BitsPerComponent 1/Decode[1 0]/Filter/FlateDecode",
            zlib.compress(bitonal),
        ),
        "Flate in hexadecimal": (_GREY + b"/Filter[/ASCIIHexDecode/FlateDecode]", deflated.hex().encode() + b">"),
        "LZW": (_GREY + b"/Filter/LZWDecode", _strip(drawn(), "tiff_lzw")),
        "run lengths": (
            _GREY + b"/Filter/RunLengthDecode",
            b"".join(b"\x7f" + grey[at : at + 128] for at in range(0, len(grey), 128)) + b"\x80",
        ),
        "no filter": (_GREY, grey),
        "fax, Group 4": (_BITONAL + b"/Filter/CCITTFaxDecode" + _FAX % (-1, WIDTH, HEIGHT), group_4),
        "fax, Group 4, mask": (
            b"/ImageMask true/BitsPerComponent 1/Decode[1 0]/Filter/CCITTFaxDecode" + _FAX % (-1, WIDTH, HEIGHT),
            group_4,
        ),
        "fax, Group 3": (_BITONAL + b"/Filter/CCITTFaxDecode" + _FAX % (0, WIDTH, HEIGHT), group_3),
        "JBIG2": (_BITONAL + b"/Filter/JBIG2Decode", _jbig2(group_4)),
    }


def _jpeg_2000() -> bytes:
    buffer = io.BytesIO()
    drawn().save(buffer, "JPEG2000")
    return buffer.getvalue()


def _strip(image: Image.Image, compression: str) -> bytes:
    """The one strip of a TIFF, in a compression that PDFs have too."""
    rows_of_a_strip = 278
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", compression=compression, tiffinfo={rows_of_a_strip: HEIGHT})
    with Image.open(buffer) as tiff:
        [offset], [count] = tiff.tag_v2[273], tiff.tag_v2[279]  # type: ignore[attr-defined]  # it is a TIFF
    return buffer.getvalue()[offset : offset + count]


def _jbig2(group_4: bytes) -> bytes:
    """One page whose one region is in MMR, which is Group 4."""
    page = struct.pack(">IIIIBH", WIDTH, HEIGHT, 0, 0, 0, 0)
    region = struct.pack(">IIIIBB", WIDTH, HEIGHT, 0, 0, 0, 1) + group_4
    segments = [(48, page), (38, region), (49, b"")]
    return b"".join(
        struct.pack(">IBBBI", number, kind, 0, 1, len(body)) + body for number, (kind, body) in enumerate(segments)
    )

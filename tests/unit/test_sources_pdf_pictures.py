"""Pictures on the pages of a PDF: one that does not decode whole damages its page, whatever is beside it."""

import math
import zlib
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from checkpointing.errors import PageError
from tests.support.pdf_files import (
    HEIGHT,
    LIBRARY_LINE,
    WIDTH,
    drawn,
    forms,
    jpeg_of,
    page_pdf,
    picture_object,
    picture_pdf,
    stream,
)
from worker.pages.sources.base import PageImage
from worker.pages.sources.pdf import PdfSource
from worker.pages.sources.streams import jbig2_is_whole, jpeg_is_whole

FORMS = forms()
GREY_JPEG = b"/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/DCTDecode"


def page_of(path: Path, content: bytes, dpi: int = 144, max_pixels: int = 40_000_000) -> PageImage:
    path.write_bytes(content)
    with closing(PdfSource(path, dpi=dpi, max_pixels=max_pixels)) as source:
        return source.page(1)


def damage_of(path: Path, content: bytes) -> str:
    """Why the page is damaged; empty where it is rendered."""
    try:
        page_of(path, content)
    except PageError as error:
        return f"{error.kind}: {error}"
    return ""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.pdf"


@pytest.mark.parametrize("form", FORMS)
def test_a_page_with_a_whole_picture_is_rendered(path: Path, form: str) -> None:
    dictionary, data = FORMS[form]
    assert damage_of(path, picture_pdf(picture_object(dictionary, data))) == ""


@pytest.mark.parametrize("form", FORMS)
def test_what_follows_a_whole_picture_does_not_matter(path: Path, form: str) -> None:
    dictionary, data = FORMS[form]
    assert damage_of(path, picture_pdf(picture_object(dictionary, data + b"\n\n\0\0garbage"))) == ""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kept", [0, 0.33, 0.5, 0.9])
def test_a_picture_that_is_cut_off_damages_its_page_beside_live_text(path: Path, form: str, kept: float) -> None:
    dictionary, data = FORMS[form]
    damage = damage_of(path, picture_pdf(picture_object(dictionary, data[: int(len(data) * kept)])))
    assert damage.startswith("damaged_page: a.pdf cannot be decoded: page 1: a picture that covers 95% of it")


@pytest.mark.parametrize("form", [form for form in FORMS if not form.startswith(("fax", "run", "no filter"))])
def test_a_picture_with_a_broken_header_damages_its_page(path: Path, form: str) -> None:
    dictionary, data = FORMS[form]
    broken = b"\x55" * 40 + data[40:]
    assert "a picture that covers 95% of it is damaged" in damage_of(
        path, picture_pdf(picture_object(dictionary, broken))
    )


@pytest.mark.parametrize("form", [form for form in FORMS if form.startswith(("JPEG,", "JPEG "))])
def test_garbage_in_the_place_of_a_picture_damages_its_page(path: Path, form: str) -> None:
    assert damage_of(path, picture_pdf(picture_object(FORMS[form][0], bytes(range(256)) * 4)))


@pytest.mark.parametrize("form", ["JPEG", "JPEG, progressive", "JPEG, colour", "JPEG, CMYK"])
@pytest.mark.parametrize("ending", [b"", b"\xff", b"\0" * 100])
def test_a_jpeg_that_lacks_only_its_end_marker_is_whole(path: Path, form: str, ending: bytes) -> None:
    dictionary, data = FORMS[form]
    assert data.endswith(b"\xff\xd9")
    assert damage_of(path, picture_pdf(picture_object(dictionary, data[:-2] + ending))) == ""


def test_a_small_damaged_picture_is_a_matter_of_decoration(path: Path) -> None:
    broken = picture_object(GREY_JPEG, b"\x55" * 400)
    seal = page_pdf((300, 400), b"q 40 0 0 40 20 20 cm /I Do Q BT /F 12 Tf 20 200 Td (Text) Tj ET", broken)
    assert damage_of(path, seal) == ""
    strip = page_pdf((300, 400), b"q 300 0 0 40 0 20 cm /I Do Q BT /F 12 Tf 20 200 Td (Text) Tj ET", broken)
    assert "covers 10% of it" in damage_of(path, strip)


def test_several_damaged_strips_count_together(path: Path) -> None:
    strips = b"".join(b"q 300 0 0 8 0 %d cm /I Do Q " % (20 + 10 * number) for number in range(5))
    content = page_pdf(
        (300, 400), strips + b"BT /F 12 Tf 20 200 Td (Text) Tj ET", picture_object(GREY_JPEG, b"x" * 99)
    )
    assert "covers 10% of it" in damage_of(path, content)


def test_an_empty_page_of_a_file_that_is_cut_off_is_damaged_and_not_blank(path: Path) -> None:
    """Its picture stood behind the cut. pdfium searches for the objects, and draws nothing for a missing one."""
    whole = picture_pdf(picture_object(GREY_JPEG, jpeg_of(drawn()))).replace(LIBRARY_LINE, b" " * len(LIBRARY_LINE))
    cut = whole[: whole.index(b"6 0 obj")] + b"trailer\n<</Size 7/Root 1 0 R>>\n"
    assert damage_of(path, whole) == ""
    assert "the page is empty and the file is cut off or damaged" in damage_of(path, cut)
    assert damage_of(path, page_pdf((300, 400), b"", b"null")) == "", "a page that is blank in a whole file"


@pytest.mark.parametrize("pieces", [(1, 32), (8, 8), (1, 100)])
def test_a_damaged_piece_of_a_scan_that_stands_in_pieces_damages_its_page(
    path: Path, pieces: tuple[int, int]
) -> None:
    """A strip or a tile is small by itself, and holds lines of the page all the same."""
    across, down = pieces
    width, height = 300 / across, 400 / down
    tiles = [
        b"q %g 0 0 %g %g %g cm /%s Do Q"
        % (width, height, column * width, row * height, b"J" if (column, row) == (0, down // 2) else b"I")
        for column in range(across)
        for row in range(down)
    ]
    size = (WIDTH // across, HEIGHT // down)
    whole = picture_object(GREY_JPEG, jpeg_of(drawn(size=size)), size)
    for data, damage in [
        (jpeg_of(drawn(size=size)), ""),
        (b"x" * 99, "a part of a picture that covers 100% of it"),
    ]:
        content = page_pdf(
            (300, 400), b" ".join([*tiles, LIBRARY_LINE]), whole, picture_object(GREY_JPEG, data, size)
        )
        found = damage_of(path, content.replace(b"/I 6 0 R", b"/I 6 0 R/J 7 0 R"))
        assert damage in found
        assert bool(found) == bool(damage)


def test_a_damaged_ornament_beside_a_scan_of_another_resolution_is_a_matter_of_decoration(path: Path) -> None:
    pictures = picture_object(GREY_JPEG, jpeg_of(drawn())), picture_object(GREY_JPEG, b"x" * 99)
    content = page_pdf((300, 400), b"q 300 0 0 300 0 100 cm /I Do Q q 20 0 0 20 9 9 cm /J Do Q", *pictures)
    content = content.replace(b"/I 6 0 R", b"/I 6 0 R/J 7 0 R")
    assert damage_of(path, content) == ""


def test_a_damaged_picture_inside_nested_forms_is_found_where_it_is_drawn(path: Path) -> None:
    outer = stream(
        b"/Type/XObject/Subtype/Form/BBox[0 0 99 99]/Matrix[1 0 0 1 5 0]/Resources<</XObject<</G 7 0 R>>>>",
        b"q 1 0 0 1 -5 0 cm /G Do Q",
    )
    inner = stream(
        b"/Type/XObject/Subtype/Form/BBox[0 0 99 99]/Matrix[10 0 0 10 0 0]/Resources<</XObject<</P 8 0 R>>>>",
        b"q 5 0 0 10 0 0 cm /P Do Q",
    )
    data = jpeg_of(drawn())
    for kept, damage in [(len(data), ""), (len(data) // 2, "covers 67% of it")]:
        picture = picture_object(GREY_JPEG, data[:kept])
        content = page_pdf((300, 400), b"q 4 0 0 4 0 0 cm /I Do Q", outer, inner, picture)
        found = damage_of(path, content)
        assert damage in found
        assert bool(found) == bool(damage)


def test_an_inline_picture_that_is_cut_off_damages_its_page(path: Path) -> None:
    for rows, damage in [(40, ""), (20, "its data are cut off")]:
        data = (b"ff" * 39 + b"00") * rows
        content = b"q 300 0 0 400 0 0 cm BI /W 40 /H 40 /BPC 8 /CS /G /F /AHx ID " + data + b"> EI Q"
        assert damage in damage_of(path, page_pdf((300, 400), content, b"null"))


def test_a_jpeg_may_lack_a_few_bytes_at_its_end_and_no_more() -> None:
    data = jpeg_of(drawn(size=(1000, 1400)))
    assert jpeg_is_whole(data)
    assert jpeg_is_whole(data[:-6])
    assert not jpeg_is_whole(data[: len(data) * 95 // 100])
    assert jpeg_is_whole(b"not a JPEG"), "it is not judged by this"


def test_segments_of_jbig2_are_followed_in_each_form_of_their_headers() -> None:
    def segment(number: int, kind: int, body: bytes, header: bytes = b"\0\1") -> bytes:
        return number.to_bytes(4, "big") + bytes([kind]) + header + len(body).to_bytes(4, "big") + body

    long_form = (0xE0000005).to_bytes(4, "big") + b"\0" + bytes(5) + b"\1"
    page, region = segment(0, 48, bytes(19)), segment(1, 6, bytes(60))
    for more in [
        segment(2, 6, bytes(60), b"\x60\0\1\2\1"),
        segment(300, 6, bytes(60), b"\x20\0\1\1"),
        segment(70_000, 6, bytes(60), b"\x20\0\0\0\1\1"),
        segment(9, 6 | 0x40, bytes(60), b"\0\0\0\0\1"),
        segment(9, 6, bytes(60), long_form),
    ]:
        assert jbig2_is_whole(page + region + more)
        assert not jbig2_is_whole(page + region + more[:-5])
    assert not jbig2_is_whole(page)
    assert jbig2_is_whole(page + segment(1, 38, bytes(10))[:7] + b"\xff" * 4 + bytes(10)), "its length is not known"


@pytest.mark.parametrize("unit", [b"", b"/UserUnit 10"])
def test_a_page_whose_box_is_too_small_is_rendered_at_the_resolution_of_its_picture(
    path: Path, unit: bytes
) -> None:
    """The box of a page of 10 x 15 mm, and a picture of 1240 x 1754 pixels on it."""
    size = (1240, 1754)
    picture = picture_object(GREY_JPEG, jpeg_of(drawn(size=size)), size)
    content = page_pdf((28.35, 40.1), b"q 28.35 0 0 40.1 0 0 cm /I Do Q", picture, more=unit)
    page = page_of(path, content, dpi=300)
    assert page.image.width == pytest.approx(1240, abs=2)
    assert page.image.height == pytest.approx(1754, abs=2)
    assert page.doubt == ""
    small = page_of(path, content, dpi=300, max_pixels=1_000_000).image
    assert 900_000 < small.width * small.height <= 1_000_000


def test_a_coarse_picture_does_not_lower_the_resolution_and_a_small_fine_one_does_not_raise_it(path: Path) -> None:
    picture = picture_object(GREY_JPEG, jpeg_of(drawn()))
    coarse = page_pdf((1500, 2000), b"q 1500 0 0 2000 0 0 cm /I Do Q", picture)
    assert page_of(path, coarse, dpi=72).image.size == (1500, 2000)
    stamp = page_pdf((1500, 2000), b"q 15 0 0 20 0 0 cm /I Do Q BT /F 12 Tf 20 200 Td (Text) Tj ET", picture)
    assert page_of(path, stamp, dpi=72).image.size == (1500, 2000)


def test_strips_of_a_picture_decide_the_resolution_together(path: Path) -> None:
    strips = b"".join(b"q 30 0 0 5 0 %d cm /I Do Q " % (5 * number) for number in range(8))
    picture = picture_object(GREY_JPEG, jpeg_of(drawn(size=(WIDTH, HEIGHT // 8))), (WIDTH, HEIGHT // 8))
    assert page_of(path, page_pdf((30, 40), strips, picture), dpi=72).image.size == (WIDTH, HEIGHT)


def test_type_on_a_tiny_page_is_rendered_as_large_as_a_postcard(path: Path) -> None:
    content = page_pdf(
        (59.5, 84), b"BT /F 1 Tf 5 50 Td (Text on a page that gives its size by UserUnit) Tj ET", b"null"
    )
    assert page_of(path, content, dpi=300).image.height == pytest.approx(1750, abs=2)
    empty = page_pdf((59.5, 84), b"", b"null")
    assert page_of(path, empty, dpi=72).image.size == (60, 84)


def test_a_page_that_can_only_be_rendered_coarsely_or_is_very_long_says_so(path: Path) -> None:
    text = b"BT /F 12 Tf 20 200 Td (Text) Tj ET"
    wide = page_of(path, page_pdf((14400, 14400), text, b"null"), dpi=300, max_pixels=1_000_000)
    assert "14400 x 14400 points and was rendered at 5 dpi only; split it, or set LEAFMARK_MAX_PIXELS" in wide.doubt
    long = page_of(path, page_pdf((612, 14400), text, b"null"), dpi=72, max_pixels=10_000_000)
    assert "612 x 14400 pixels, which is too long to be read as one; split it" in long.doubt
    assert page_of(path, page_pdf((612, 792), text, b"null"), dpi=72).doubt == ""


def test_a_scan_rendered_at_its_resolution_is_not_coarse_however_large_its_box_is(path: Path) -> None:
    """Programs that take a pixel for a point make a page of 7 x 10 feet of an ordinary scan."""
    size = (1000, 1400)
    picture = picture_object(GREY_JPEG, jpeg_of(drawn(size=size)), size)
    box = (5000.0, 7000.0)
    content = page_pdf(box, b"q 5000 0 0 7000 0 0 cm /I Do Q", picture)
    assert page_of(path, content, dpi=300, max_pixels=2_000_000).doubt == ""
    assert "rendered at" in page_of(path, content, dpi=300, max_pixels=1_000_000).doubt
    beside_text = page_pdf(box, b"q 2500 0 0 7000 0 0 cm /I Do Q " + LIBRARY_LINE, picture)
    assert "rendered at" in page_of(path, beside_text, dpi=300, max_pixels=2_000_000).doubt


@pytest.mark.parametrize("crop", [b"1000 1000 1500 1500", b"0 0 -50 -50", b"300 400 600 800"])
def test_a_page_whose_crop_box_leaves_nothing_of_it_is_rendered_by_its_media_box(path: Path, crop: bytes) -> None:
    picture = picture_object(GREY_JPEG, jpeg_of(drawn()))
    content = page_pdf((300, 400), b"q 300 0 0 400 0 0 cm /I Do Q", picture, more=b"/CropBox[%s]" % crop)
    page = page_of(path, content, dpi=144)
    assert page.image.size == (WIDTH, HEIGHT)
    assert page.image.convert("L").getextrema() == (0, 255)


def test_a_page_that_is_drawn_with_its_picture_shows_the_picture(path: Path) -> None:
    page = page_of(path, picture_pdf(picture_object(*FORMS["fax, Group 4"])), dpi=144)
    assert isinstance(page.image, Image.Image)
    assert min(page.image.convert("L").crop((0, 0, 500, 400)).getextrema()) == 0  # type: ignore[type-var]  # of one band


BITONAL_MASK = b"/ColorSpace/DeviceGray/BitsPerComponent 1"


@pytest.mark.parametrize(
    ("dictionary", "data"),
    [
        (BITONAL_MASK + b"/Filter/JBIG2Decode", b"\x55" * 300),
        (BITONAL_MASK + b"/Filter/FlateDecode", b"\x00\x00"),
        (b"/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/FlateDecode", b"\x55" * 300),
    ],
)
def test_a_soft_mask_that_is_broken_and_hides_the_picture_damages_its_page(
    path: Path, dictionary: bytes, data: bytes
) -> None:
    picture = picture_object(GREY_JPEG + b"/SMask 7 0 R", FORMS["JPEG"][1])
    damage = damage_of(path, picture_pdf(picture, picture_object(dictionary, data)))
    assert "a picture that covers 95% of it is damaged: its mask hides all of it" in damage


def test_a_soft_mask_that_shows_the_picture_or_a_layer_of_one_colour_that_it_hides_are_no_damage(
    path: Path,
) -> None:
    size = WIDTH // 8 * HEIGHT
    shows = picture_object(BITONAL_MASK, b"\xff" * size)
    assert damage_of(path, picture_pdf(picture_object(GREY_JPEG + b"/SMask 7 0 R", FORMS["JPEG"][1]), shows)) == ""
    hides = picture_object(BITONAL_MASK, bytes(size))
    layer = picture_object(GREY_JPEG + b"/SMask 7 0 R", jpeg_of(Image.new("L", (WIDTH, HEIGHT), 10)))
    assert damage_of(path, picture_pdf(layer, hides)) == ""


@pytest.mark.parametrize("form", [form for form in FORMS if form.startswith("Flate") and form != "Flate, 4 bits"])
@pytest.mark.parametrize("rows", [3, -100])
def test_a_picture_that_lacks_its_last_rows_or_has_more_than_it_says_is_whole(
    path: Path, form: str, rows: int
) -> None:
    """Some writers count a row or two more than they write, or crop a picture by its height alone."""
    dictionary, data = FORMS[form]
    assert damage_of(path, picture_pdf(picture_object(dictionary, data, (WIDTH, HEIGHT + rows)))) == ""


@pytest.mark.parametrize(
    ("colours", "samples", "bits"),
    [
        (b"[/ICCBased 7 0 R]", 3, 8),
        (b"[/ICCBased 7 0 R]", 3, 4),
        (b"/DeviceCMYK", 4, 8),
        (b"/DeviceGray", 1, 16),
        (b"/DeviceGray", 1, 2),
        (b"/DeviceRGB", 3, 16),
        (b"[/Lab<</WhitePoint[0.95 1 1.08]>>]", 3, 8),
        (b"[/Indexed/DeviceRGB 1<000000ffffff>]", 1, 1),
        (b"[/DeviceN[/A/B]/DeviceRGB 8 0 R]", 2, 8),
    ],
)
def test_pictures_in_any_colours_and_depths_are_whole(path: Path, colours: bytes, samples: int, bits: int) -> None:
    rows = bytes([0xC3, 0x5A]) * (math.ceil(WIDTH * samples * bits / 8) * HEIGHT // 2)
    dictionary = b"/ColorSpace%s/BitsPerComponent %d/Filter/FlateDecode" % (colours, bits)
    profile = stream(b"/N 3/Alternate/DeviceRGB", b"not a profile")
    inks = stream(b"/FunctionType 4/Domain[0 1 0 1]/Range[0 1 0 1 0 1]", b"{dup}")
    for kept, damage in [(len(rows), ""), (len(rows) * 2 // 5, "its data are cut off")]:
        picture = picture_object(dictionary, zlib.compress(rows[:kept]))
        found = damage_of(path, picture_pdf(picture, profile, inks))
        if bits != 16 or not damage:
            assert damage in found


@pytest.mark.parametrize(("inks", "bits"), [(3, 8), (3, 16), (4, 8), (4, 16)])
def test_a_picture_by_a_profile_that_ends_in_blank_paper_is_whole(path: Path, inks: int, bits: int) -> None:
    row = WIDTH * inks * bits // 8
    paper = b"\0" if inks == 4 else b"\xff"
    data = zlib.compress(bytes([0x10, 0x40]) * (row * HEIGHT // 8) + paper * (row * HEIGHT * 3 // 4))
    dictionary = b"/ColorSpace[/ICCBased 7 0 R]/BitsPerComponent %d/Filter/FlateDecode" % bits
    alternate = b"/DeviceCMYK" if inks == 4 else b"/DeviceRGB"
    profile = stream(b"/N %d/Alternate%s" % (inks, alternate), b"not a profile")
    assert damage_of(path, picture_pdf(picture_object(dictionary, data), profile)) == ""


@pytest.mark.parametrize(
    ("dictionary", "samples", "kept"),
    [
        (b"/ColorSpace/DeviceCMYK/BitsPerComponent 8", 4, 0.5),
        (b"/ColorSpace/DeviceCMYK/BitsPerComponent 8", 4, 0.25),
        (b"/ColorSpace[/Separation/Black/DeviceCMYK 8 0 R]/BitsPerComponent 8", 1, 0.5),
        (b"/ColorSpace/DeviceGray/BitsPerComponent 8/Decode[1 0]", 1, 0.5),
        (b"/ColorSpace[/Indexed/DeviceGray 255 8 0 R]/BitsPerComponent 8", 1, 0.25),
        (b"/ColorSpace/DeviceGray/BitsPerComponent 16", 2, 0.7),
        (b"/ColorSpace/DeviceRGB/BitsPerComponent 16", 6, 0.8),
        (b"/ColorSpace[/ICCBased 7 0 R]/BitsPerComponent 8", 4, 0.8),
    ],
)
def test_rows_that_are_missing_are_seen_whatever_their_colour_and_depth(
    path: Path, dictionary: bytes, samples: int, kept: float
) -> None:
    """Cut so that what is left would be a whole picture of fewer bits; missing rows are white in some colours."""
    row = bytes(range(256)) * (WIDTH * samples // 256 + 1)
    rows = b"".join(row[: WIDTH * samples] for _ in range(HEIGHT))
    profile = stream(b"/N 4/Alternate/DeviceCMYK", b"not a profile")
    if b"Indexed" in dictionary:
        other = stream(b"", bytes(range(255, -1, -1)))
    else:
        other = stream(b"/FunctionType 4/Domain[0 1]/Range[0 1 0 1 0 1 0 1]", b"{dup dup dup}")
    for share, damage in [(1.0, ""), (kept, "its data are cut off")]:
        data = zlib.compress(rows[: int(len(rows) * share)])
        picture = picture_object(dictionary + b"/Filter/FlateDecode", data)
        found = damage_of(path, picture_pdf(picture, profile, other))
        assert damage in found
        assert bool(found) == bool(damage)


def test_a_preview_draws_what_there_is_of_a_damaged_page_and_no_more_pixels_than_it_needs(path: Path) -> None:
    data = jpeg_of(drawn())
    path.write_bytes(picture_pdf(picture_object(GREY_JPEG, data[: len(data) // 2])))
    with closing(PdfSource(path, dpi=72, preview=True)) as source:
        assert source.page(1).image.width >= WIDTH
    size = (3000, 4000)
    content = page_pdf(
        (30, 40), b"q 30 0 0 40 0 0 cm /I Do Q", picture_object(GREY_JPEG, jpeg_of(drawn(size=size)), size)
    )
    path.write_bytes(content)
    with closing(PdfSource(path, dpi=72, preview=True)) as source:
        image = source.page(1).image
    assert 1_900_000 < image.width * image.height <= 2_000_000
    assert page_of(path, content, dpi=72).image.size == size

"""Layout from line boxes alone: a page of 1000 x 1400 pixels with lines 20 pixels high, 26 apart."""

import math
from functools import cache
from typing import cast

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from worker.ocr.boxes import Box, Picture, Polygon
from worker.ocr.engines.base import OcrLine, OcrWord
from worker.ocr.layout.pictures import find_pictures
from worker.ocr.layout.region_types import RegionType
from worker.ocr.layout.regions import Region, arrange
from worker.ocr.layout.rows import joined_line
from worker.ocr.layout.straight import skew_of

PAGE = (1000, 1400)
PAPER = (240, 232, 214)


def line(text: str, x: int, y: int, width: int, height: int = 20) -> OcrLine:
    return OcrLine(text, 0.9, Box(x, y, width, height))


def column(prefix: str, x: int, top: int, width: int, count: int) -> list[OcrLine]:
    return [line(f"{prefix}{number}", x, top + 26 * number, width) for number in range(count)]


def texts(regions: list[Region]) -> list[str]:
    return [region.text for region in regions]


def blank_page() -> Image.Image:
    """Stained, speckled paper."""
    return _blank_page().copy()


@cache
def _blank_page() -> Image.Image:
    page = Image.new("RGB", PAGE, PAPER)
    ImageDraw.Draw(page).ellipse((300, 400, 700, 900), fill=(212, 200, 176))
    noise = np.random.default_rng(7).normal(0, 10, (PAGE[1], PAGE[0], 1))
    speckled = np.asarray(page.filter(ImageFilter.GaussianBlur(20))) + noise
    speckled[np.random.default_rng(8).random(speckled.shape[:2]) < 0.002] = 20
    return Image.fromarray(speckled.clip(0, 255).astype(np.uint8))


def test_header_page_number_body_and_signature_are_told_apart() -> None:
    lines = [
        line("THE WHALE", 420, 60, 160),
        line("17", 860, 62, 30),
        *column("a", 100, 200, 800, 20),
        line("B 2", 480, 1340, 40),
    ]

    regions = arrange(lines, [], PAGE)

    assert [(region.type, region.text) for region in regions if region.type != RegionType.BODY] == [
        (RegionType.HEADER, "THE WHALE"),
        (RegionType.PAGE_NUMBER, "17"),
        (RegionType.SIGNATURE, "B 2"),
    ]
    assert regions[2].text.split("\n") == [f"a{number}" for number in range(20)]


def test_a_first_line_at_ordinary_distance_is_no_header() -> None:
    regions = arrange(column("a", 100, 60, 800, 20), [], PAGE)

    assert [region.type for region in regions] == [RegionType.BODY]


def test_a_tall_title_at_the_top_is_no_header() -> None:
    regions = arrange([line("II", 300, 50, 400, 80), *column("a", 100, 240, 800, 20)], [], PAGE)

    assert [region.type for region in regions] == [RegionType.BODY, RegionType.BODY]


def test_a_page_number_alone_is_found() -> None:
    assert [region.type for region in arrange([line("5", 490, 1340, 20)], [], PAGE)] == [RegionType.PAGE_NUMBER]


def test_the_left_column_is_read_before_the_right_one() -> None:
    lines = [*column("right", 520, 200, 380, 10), *column("left", 100, 207, 380, 10)]

    left, right = texts(arrange(lines, [], PAGE))

    assert left.split("\n") == [f"left{number}" for number in range(10)]
    assert right.split("\n") == [f"right{number}" for number in range(10)]


def test_headings_across_two_columns_divide_what_is_above_from_what_is_below() -> None:
    lines = [
        line("first heading", 300, 160, 400),
        *column("a", 100, 200, 380, 6),
        *column("b", 520, 200, 380, 6),
        line("second heading", 300, 400, 400),
        *column("c", 100, 440, 380, 8),
        *column("d", 520, 440, 380, 8),
        line("last words across", 100, 700, 800),
    ]

    starts = [text.split("\n")[0] for text in texts(arrange(lines, [], PAGE))]

    assert starts == ["first heading", "a0", "b0", "second heading", "c0", "d0", "last words across"]


def test_the_page_numbers_of_a_table_of_contents_stay_in_their_rows() -> None:
    lines = [*column("chapter ", 100, 300, 500, 6), *column("1", 860, 300, 30, 6)]

    (contents,) = texts(arrange(lines, [], PAGE))

    assert contents.split("\n")[2] == "chapter 2 12"


def test_pieces_of_a_line_are_joined_with_one_space_from_left_to_right() -> None:
    lines = [line("whale", 420, 303, 300), line("the white", 100, 300, 300), line("swam", 100, 326, 620)]

    assert texts(arrange(lines, [], PAGE)) == ["the white whale\nswam"]


def piece(text: str, x: int, y: int, width: int, drop: int = 0) -> OcrLine:
    """A piece of a line with one word a space, 20 pixels high, that sinks by `drop` pixels."""
    words = tuple(OcrWord(word, 0.8, Box(x, y, 30, 20)) for word in text.split())
    right, bottom = x + width, y + 20
    outline = ((x, y), (right, y + drop), (right, bottom + drop), (x, bottom))
    baseline = ((x, bottom - 4), (right, bottom + drop - 4))
    return OcrLine(text, 0.9, Box(x, y, width, 20 + drop), words, outline, baseline)


def test_a_line_of_pieces_has_their_words_in_order_and_the_ends_of_its_outline() -> None:
    pieces = [piece("whale swam", 420, 303, 300, drop=2), piece("the white", 100, 300, 300, drop=3)]

    (region,) = arrange(pieces, [], PAGE)
    (found,) = region.lines

    assert found.text == region.text == "the white whale swam"
    assert [word.text for word in found.words] == found.text.split()
    assert found.outline == ((100, 300), (720, 305), (720, 325), (100, 320))
    assert found.baseline == ((100, 316), (720, 321))


def test_a_line_has_words_and_a_baseline_only_if_all_of_its_pieces_have() -> None:
    (region,) = arrange([piece("the white", 100, 300, 300), line("whale", 420, 300, 300)], [], PAGE)

    (found,) = region.lines
    assert (found.words, found.baseline) == ((), None)
    assert found.outline == ((100, 300), (720, 300), (720, 320), (100, 320))


def test_pieces_that_run_downwards_are_outlined_by_their_box() -> None:
    turned = [
        OcrLine(text, 0.9, box, polygon=(*box.corners[1:], box.corners[0]))
        for text, box in (("one", Box(100, 300, 30, 200)), ("two", Box(140, 300, 30, 200)))
    ]

    assert joined_line(turned).outline == Box(100, 300, 70, 200).corners


def test_the_lines_of_regions_are_their_text_and_a_picture_has_none() -> None:
    picture = Picture(Box(100, 700, 800, 400), 0.9)

    regions = arrange([line("THE WHALE", 420, 60, 160), *column("a", 100, 200, 800, 9)], [picture], PAGE)

    assert [len(region.lines) for region in regions] == [1, 9, 0]
    assert all("\n".join(line.text for line in region.lines) == region.text for region in regions)


def test_what_reaches_beyond_the_page_is_cut_off_and_no_word_is_lost() -> None:
    words = (OcrWord("a", 0.9, Box(-40, 300, 30, 20)), OcrWord("b", 0.9, Box(10, 300, 30, 20)))
    over = OcrLine("a b", 0.9, Box(-40, 300, 80, 20), words, Box(-40, 300, 80, 20).corners, ((-40, 316), (40, 316)))

    ((found,),) = (region.lines for region in arrange([over], [], PAGE))

    assert [word.bbox for word in found.words] == [Box(0, 300, 1, 20), Box(10, 300, 30, 20)]
    assert found.outline == ((0, 300), (40, 300), (40, 320), (0, 320))
    assert found.baseline == ((0, 316), (40, 316))


def test_confidence_is_the_mean_over_characters() -> None:
    lines = [OcrLine("aaa", 1.0, Box(100, 300, 300, 20)), OcrLine("b", 0.6, Box(420, 300, 300, 20))]

    (region,) = arrange(lines, [], PAGE)

    assert region.confidence == pytest.approx(0.9)


def test_hyphens_at_line_ends_stay_as_printed() -> None:
    lines = [line("the har-", 100, 300, 800), line("poon", 100, 326, 200)]

    assert texts(arrange(lines, [], PAGE)) == ["the har-\npoon"]


def test_an_indented_line_begins_a_paragraph() -> None:
    lines = column("a", 100, 300, 800, 6)
    lines[3] = line("a3", 140, 378, 760)

    assert texts(arrange(lines, [], PAGE)) == ["a0\na1\na2", "a3\na4\na5"]


def test_each_line_of_a_dialogue_is_a_paragraph() -> None:
    lines = [
        line("said:", 100, 300, 200),
        line("Who?", 140, 326, 200),
        line("I.", 140, 352, 100),
        line("He fell,", 140, 378, 760),
        line("and rose.", 100, 404, 400),
    ]

    assert texts(arrange(lines, [], PAGE)) == ["said:", "Who?", "I.", "He fell,\nand rose."]


def test_verse_stays_together() -> None:
    lines = [
        line("He sang:", 100, 300, 200),
        *(line(f"verse {number}", 220, 326 + 26 * number, 300) for number in range(4)),
        line("and was gone, as all of them are in the end.", 140, 430, 760),
    ]

    assert texts(arrange(lines, [], PAGE))[1].startswith("verse 0\nverse 1\nverse 2\nverse 3")


def test_a_wide_gap_begins_a_paragraph() -> None:
    lines = [*column("a", 100, 300, 800, 4), *column("b", 100, 430, 800, 4)]

    assert [text[0] for text in texts(arrange(lines, [], PAGE))] == ["a", "b"]


def test_widely_spaced_lines_are_one_paragraph() -> None:
    lines = [line(f"a{number}", 100, 300 + 52 * number, 800) for number in range(6)]

    assert len(arrange(lines, [], PAGE)) == 1


def test_a_skewed_page_keeps_its_lines_and_columns() -> None:
    skewed = []
    for piece in [*column("a", 100, 300, 380, 8), *column("b", 530, 300, 380, 8)]:
        box = piece.bbox
        skewed.append(line(piece.text, box.x - box.y // 100, box.y + box.x // 100, box.width, 24))

    assert [text.split("\n")[-1] for text in texts(arrange(skewed, [], PAGE))] == ["a7", "b7"]


def turned(line: OcrLine, degrees: float) -> OcrLine:
    """The line on a page that is turned clockwise around its top left corner."""
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    xs, ys = zip(*((x * cos - y * sin, x * sin + y * cos) for x, y in line.bbox.corners), strict=True)
    box = Box.from_corners(min(xs), min(ys), max(xs), max(ys))
    outline = tuple((round(x), round(y)) for x, y in zip(xs, ys, strict=True))
    return OcrLine(line.text, line.confidence, box, polygon=cast("Polygon", outline))


@pytest.mark.parametrize("degrees", [-10, -3, -1, 1, 5, 10])
def test_a_page_skewed_by_up_to_ten_degrees_is_read_as_a_straight_one(degrees: float) -> None:
    lines = [
        line("THE WHALE", 620, 360, 160),
        *column("a", 300, 460, 380, 20),
        *column("b", 720, 460, 380, 12),
        line("b12", 740, 460 + 12 * 26, 360),
        *column("c", 720, 460 + 13 * 26, 380, 7),
    ]
    straight = arrange(lines, [], (2000, 1700))
    size = (2000, 2000)

    assert texts(arrange([turned(line, degrees) for line in lines], [], size)) == texts(straight)
    assert [text.split("\n")[0] for text in texts(straight)] == ["THE WHALE", "a0", "b0", "b12"]


def test_lines_that_run_downwards_do_not_count_for_the_skew() -> None:
    down = [turned(line, 90) for line in column("down", 100, -900, 800, 3)]
    level = column("level", 100, 1000, 500, 4)

    assert skew_of([*down, *level]) == 0
    assert skew_of([*down, *(turned(line, 2) for line in level)]) == 0
    assert skew_of(
        [*down, *(turned(line, 2) for line in [*level, *column("more", 100, 1104, 800, 4)])]
    ) == pytest.approx(2, abs=0.1)


def test_text_beside_a_picture_is_read_after_the_picture_and_its_caption() -> None:
    picture = Picture(Box(100, 226, 380, 400), 0.5)
    lines = [
        line("above both", 100, 180, 800),
        line("The whale.", 220, 640, 140),
        *column("beside", 500, 220, 400, 17),
        line("below both", 100, 690, 800),
    ]

    regions = arrange(lines, [picture], PAGE)

    assert [region.type for region in regions] == ["body", "image", "caption", "body", "body"]
    assert regions[2].text == "The whale."
    assert regions[3].text.startswith("beside0\n")
    assert regions[4].text == "below both"


def test_a_caption_may_stand_above_its_picture() -> None:
    picture = Picture(Box(200, 400, 600, 400), 0.5)

    regions = arrange([line("Plate I.", 440, 360, 120)], [picture], PAGE)

    assert [region.type for region in regions] == [RegionType.CAPTION, RegionType.IMAGE]


def test_text_above_a_picture_that_goes_on_below_it_and_a_tall_heading_are_no_captions() -> None:
    picture = Picture(Box(200, 400, 600, 400), 0.5)

    above = arrange([line("of the whale, and then", 200, 360, 590)], [picture], PAGE)
    heading = arrange([line("PREFACE", 400, 820, 200, 50), *column("a", 100, 900, 800, 9)], [picture], PAGE)

    assert RegionType.CAPTION not in {region.type for region in [*above, *heading]}


def test_a_long_paragraph_under_a_picture_is_no_caption() -> None:
    picture = Picture(Box(100, 200, 800, 400), 0.5)

    regions = arrange(column("word " * 10, 100, 620, 800, 8), [picture], PAGE)

    assert [region.type for region in regions] == [RegionType.IMAGE, RegionType.BODY]


def test_boxes_that_reach_over_the_edge_are_cut_there() -> None:
    regions = arrange([line("over", -4, 700, 1010), line("outside", 1200, 700, 50)], [], PAGE)

    assert [(region.text, region.bbox) for region in regions] == [("over", Box(0, 700, 1000, 20))]


def test_a_page_without_lines_and_pictures_has_no_regions() -> None:
    assert arrange([], [], PAGE) == []


def test_specks_and_stains_are_no_picture() -> None:
    assert find_pictures(blank_page(), []) == []


def test_a_deep_stain_is_no_picture_and_a_pale_drawing_is_one() -> None:
    stained = Image.new("L", PAGE, 235)
    ImageDraw.Draw(stained).ellipse((200, 500, 600, 900), fill=round(0.66 * 235))
    assert find_pictures(stained, []) == []

    pen = ImageDraw.Draw(stained)
    for y in range(520, 880, 24):
        pen.line((250, y, 550, y), fill=round(0.3 * 235), width=6)
    assert len(find_pictures(stained, [])) == 1


def test_a_drawing_is_found_where_it_is() -> None:
    page = blank_page()
    pen = ImageDraw.Draw(page)
    for x in range(200, 601, 8):
        pen.line((x, 500, 800 - x, 900), fill=(30, 25, 20), width=3)

    (picture,) = find_pictures(page.convert("L"), [])

    assert np.allclose(picture.bbox, (200, 500, 400, 400), atol=25)
    assert 0.3 < picture.fill <= 1


def test_an_inked_area_in_which_text_was_read_is_no_picture() -> None:
    page = blank_page()
    ImageDraw.Draw(page).rectangle((100, 500, 900, 700), fill=(60, 50, 40))

    assert len(find_pictures(page, [])) == 1
    assert find_pictures(page, [Box(95, 495, 810, 210)]) == []


def test_the_dark_edge_of_a_scan_and_a_frame_are_no_pictures() -> None:
    page = blank_page()
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, 40, 1400), fill=(10, 10, 10))
    pen.rectangle((120, 120, 900, 1300), outline=(10, 10, 10), width=8)

    assert find_pictures(page, []) == []

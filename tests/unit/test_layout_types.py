"""Types of regions from line boxes, and what is no picture: lines 20 pixels high, 26 apart."""

import numpy as np
from PIL import Image, ImageDraw

from worker.ocr.boxes import Box, Picture
from worker.ocr.engines.base import OcrLine, OcrWord
from worker.ocr.layout.pictures import find_paper, find_pictures
from worker.ocr.layout.region_types import RegionType
from worker.ocr.layout.regions import arrange

PAGE = (1000, 1400)
FIFTY = "a line of the text of a book, of 50 characters...."


def line(text: str, x: int, y: int, width: int, height: int = 20) -> OcrLine:
    return OcrLine(text, 0.9, Box(x, y, width, height))


def text(count: int, top: int = 200, x: int = 100, width: int = 800) -> list[OcrLine]:
    return [
        line("a line of the text of a book, of 50 characters....", x, top + 26 * row, width) for row in range(count)
    ]


def types(lines: list[OcrLine], paper: Box | None = None) -> list[tuple[str, str]]:
    """Return type and text of all regions that are not body text."""
    found = arrange(lines, [], PAGE, paper)
    return [(str(region.type), region.text) for region in found if region.type is not RegionType.BODY]


def test_a_page_number_that_the_engine_joined_to_the_running_head_is_cut_off() -> None:
    words = (
        OcrWord("THE", 0.9, Box(400, 60, 60, 20)),
        OcrWord("WHALE", 0.9, Box(470, 60, 90, 20)),
        OcrWord("17", 0.9, Box(870, 60, 30, 20)),
    )
    head = OcrLine("THE WHALE 17", 0.9, Box(400, 60, 500, 20), words)

    assert types([head, *text(30)]) == [("header", "THE WHALE"), ("page_number", "17")]


def test_margins_are_those_of_the_paper_on_the_bed() -> None:
    lines = [line("[ 17 ]", 480, 260, 40), *text(20, 330)]

    assert types(lines) == []
    assert types(lines, Box(50, 200, 900, 1100)) == [("page_number", "[ 17 ]")]


def test_a_page_number_tells_a_running_head_and_a_foot_in_broad_margins() -> None:
    head = [line("THE WHALE", 400, 260, 120), line("17", 870, 260, 30)]

    assert types([*head, *text(20, 330)]) == [("header", "THE WHALE"), ("page_number", "17")]
    assert types([*text(20, 330), line("17", 480, 1100, 30)]) == [("page_number", "17")]


def test_a_heading_and_an_entry_of_a_list_in_broad_margins_are_text() -> None:
    entries = [[line("Loomings", 100, top, 120), line(str(top), 870, top, 40)] for top in (260, 300, 340)]

    assert types([line("THE WHALE", 400, 260, 120), *text(20, 330)]) == []
    assert types([line("I", 400, 260, 10), line("THE WHALE", 600, 260, 120), *text(20, 330)]) == []
    assert types([*entries[0], *entries[1], *text(20, 400)]) == []


def test_signature_and_catchword_are_found_below_the_text_and_a_last_line_is_text() -> None:
    lines = text(40)
    below = [line("B 2", 480, 200 + 26 * 40, 30), line("whale", 850, 200 + 26 * 40, 50)]

    assert types([*lines, *below]) == [("signature", "B 2"), ("catchword", "whale")]
    assert types([*lines, line("whale", 100, 200 + 26 * 40, 50)]) == []


def test_small_print_below_the_text_is_a_footnote_and_above_it_is_not() -> None:
    small = [line(FIFTY, 100, 1000 + 20 * row, 620, 16) for row in range(2)]
    motto = [line(FIFTY, 100, 300 + 20 * row, 620, 16) for row in range(2)]

    assert types([*text(20, 380), *small, *motto]) == [("footnote", f"{FIFTY}\n{FIFTY}")]


def test_a_last_line_that_is_as_high_as_the_text_is_no_footnote() -> None:
    assert types([*text(20), line(FIFTY, 100, 1000, 620)]) == []
    assert types([*text(20), line(f"1) {FIFTY}", 100, 1000, 620)]) == [("footnote", f"1) {FIFTY}")]


def test_a_note_beside_the_text_is_marginal_and_does_not_divide_it() -> None:
    note = [
        line(word, 760, 420 + 24 * row, 120, 16)
        for row, word in enumerate(["Of the whale", "and its kinds,", "a note"])
    ]

    found = arrange([*text(20, width=600), *note], [], PAGE)

    assert [(region.type, len(region.lines)) for region in found] == [("body", 20), ("marginalia", 3)]


def test_a_note_of_one_line_stays_apart_from_the_line_beside_it_and_is_read_before_the_footnotes() -> None:
    beside = line("Of the whale", 760, 200 + 26 * 7, 120, 16)
    small = line(FIFTY, 100, 1000, 400, 16)

    found = arrange([*text(20, width=600), beside, small], [], PAGE)

    assert [(region.type, len(region.lines)) for region in found] == [
        ("body", 20),
        ("marginalia", 1),
        ("footnote", 1),
    ]
    assert found[1].text == "Of the whale"


def test_lines_with_nothing_but_a_picture_beside_them_are_text() -> None:
    words = [line("Plate 3", 60, 600, 100), line("of the whale", 60, 626, 140)]

    found = arrange(words, [Picture(Box(300, 200, 600, 1000), fill=0.9)], PAGE)

    assert sorted(region.type for region in found) == ["body", "image"]


def test_the_number_of_a_section_in_the_margin_stays_with_its_heading() -> None:
    heading = [line("4.1.2.", 20, 150, 60), line("Of whales", 100, 150, 120)]

    assert arrange([*heading, *text(20)], [], PAGE)[0].text.startswith("4.1.2. Of whales")


def test_signature_and_catchword_are_found_between_the_text_and_the_page_number() -> None:
    below = [line("B 2", 480, 1180, 30), line("whale", 850, 1180, 50), line("17", 490, 1340, 20)]

    assert types([*text(36), *below]) == [("signature", "B 2"), ("catchword", "whale"), ("page_number", "17")]


def test_a_picture_that_a_rule_between_columns_touches_is_found() -> None:
    page = Image.new("L", PAGE, 235)
    pen = ImageDraw.Draw(page)
    pen.rectangle((100, 500, 495, 800), fill=90)
    pen.line((500, 100, 500, 1300), fill=20, width=4)

    (picture,) = find_pictures(page, [])

    assert np.allclose(picture.bbox, (100, 500, 400, 300), atol=25)


def on_a_bed() -> Image.Image:
    """Paper with lines of print on a dark bed."""
    page = Image.new("L", PAGE, 20)
    pen = ImageDraw.Draw(page)
    pen.rectangle((150, 200, 850, 1250), fill=235)
    for row in range(20):
        pen.rectangle((250, 300 + 40 * row, 750, 310 + 40 * row), fill=40)
    return page


def test_the_bed_around_the_paper_is_no_picture() -> None:
    lines = [Box(250, 300 + 40 * row, 500, 12) for row in range(20)]

    assert find_pictures(on_a_bed(), lines) == []
    assert np.allclose(find_paper(on_a_bed()), (150, 200, 700, 1050), atol=6)


def test_a_strip_of_the_bed_is_no_picture_and_a_plate_is_one() -> None:
    page = Image.new("L", PAGE, 235)
    ImageDraw.Draw(page).rectangle((0, 0, 120, 1400), fill=20)
    assert find_pictures(page, []) == []

    plate = Image.new("L", PAGE, 235)
    ImageDraw.Draw(plate).rectangle((80, 100, 920, 1300), fill=60)
    assert len(find_pictures(plate, [Box(400, 1330, 200, 20)])) == 1


def test_a_stain_at_the_ends_of_lines_is_no_picture() -> None:
    page = Image.new("L", PAGE, 230)
    pen = ImageDraw.Draw(page)
    pen.ellipse((700, 250, 1200, 750), fill=155)
    lines = [Box(100, 200 + 26 * row, 600 if row % 9 in {4, 5, 6} else 800, 20) for row in range(30)]
    for box in lines:
        pen.rectangle((box.x, box.y + 5, box.right - 20, box.bottom - 5), fill=40)

    assert find_pictures(page, lines) == []


def test_the_edges_of_the_pages_below_near_the_side_are_no_picture() -> None:
    page = Image.new("L", PAGE, 235)
    ImageDraw.Draw(page).rectangle((820, 0, 960, 1400), fill=60)

    assert find_pictures(page, []) == []


def test_a_small_picture_in_one_of_many_columns_is_found() -> None:
    page = Image.new("L", PAGE, 235)
    ImageDraw.Draw(page).rectangle((100, 300, 300, 420), fill=60)

    assert len(find_pictures(page, [])) == 1


def test_a_page_without_a_bed_is_all_paper() -> None:
    assert find_paper(Image.new("L", PAGE, 235)) == Box(0, 0, *PAGE)

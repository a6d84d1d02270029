"""Tables from line boxes and drawn rules: lines 20 pixels high, 26 apart, on a page of 1000 x 1400 pixels."""

from collections.abc import Sequence

import pytest
from PIL import Image, ImageDraw

from worker.ocr.boxes import Box, Picture
from worker.ocr.engines.base import OcrLine, OcrWord
from worker.ocr.layout.region_types import RegionType
from worker.ocr.layout.regions import Region, arrange
from worker.ocr.layout.rules import NO_RULES, Rules, find_rules
from worker.ocr.layout.table import Cell, is_figure, table_text

PAGE = (1000, 1400)
FIGURES = [("Wheat", "342", "1510"), ("Barley", "79", "2"), ("Oats", "781", "1332"), ("Rye", "1923", "12")]
HEADS = ("Goods", "Bushels", "Price")


def words_line(text: str, x: int, y: int, letter: int = 10) -> OcrLine:
    """A line whose letters and spaces are of one width."""
    words, left = [], x
    for word in text.split():
        words.append(OcrWord(word, 0.9, Box(left, y, letter * len(word), 20)))
        left += letter * (len(word) + 1)
    return OcrLine(text, 0.9, Box.around(word.bbox for word in words), tuple(words))


def prose(x: int, top: int, width: int, count: int) -> list[OcrLine]:
    """Lines of words that fill a width, with spaces at other places in each."""
    words = (
        "the quick brown fox jumps over a lazy dog and runs on into dark woods behind an old mill at night " * 3
    ).split()
    texts = (" ".join(words[7 * number % 20 :]) for number in range(count))
    return [_filled(text, x, top + 26 * number, width) for number, text in enumerate(texts)]


def _filled(text: str, x: int, y: int, width: int) -> OcrLine:
    """A line of the words of a text that fit into a width; the last one reaches to its end."""
    fitting = text[: width // 10].rsplit(" ", 1)[0]
    return words_line(fitting + "n" * (width // 10 - len(fitting)), x, y)


def table(
    rows: Sequence[Sequence[str]], x: int, top: int, widths: Sequence[int], padding: int = 8
) -> list[OcrLine]:
    """Cells: those of the first column to the left, the others to the right."""
    lines = []
    for number, row in enumerate(rows):
        left = x
        for column, (text, width) in enumerate(zip(row, widths, strict=True)):
            start = left + padding if column == 0 else left + width - padding - 10 * len(text)
            if text:
                lines.append(words_line(text, start, top + 26 * number))
            left += width
    return lines


def tables_of(regions: Sequence[Region]) -> list[str]:
    return [region.text for region in regions if region.type is RegionType.TABLE]


def as_text(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("\t".join(row) for row in rows)


def test_figures_below_each_other_with_words_beside_them_are_a_table_between_paragraphs() -> None:
    lines = [
        *prose(100, 200, 800, 6),
        *table([HEADS, *FIGURES], 100, 400, (200, 150, 150)),
        *prose(100, 560, 800, 6),
    ]

    regions = arrange(lines, [], PAGE)

    assert [str(region.type) for region in regions] == ["body", "table", "body"]
    found = regions[1]
    assert found.text == as_text([HEADS, *FIGURES])
    assert [[cell.heading for cell in row] for row in found.rows] == [[True] * 3, *[[False] * 3] * 4]
    assert found.bbox == Box.around(cell.bbox for row in found.rows for cell in row)
    assert [line.text for line in found.lines] == found.text.split()


def test_lines_that_an_engine_has_read_over_the_columns_of_a_table_are_cut() -> None:
    texts = [(f"Corn {name}", *figures) for name, *figures in FIGURES]
    pieces = table(texts, 100, 400, (200, 150, 150))
    rows = [pieces[start : start + 3] for start in range(0, len(pieces), 3)]
    whole = [
        OcrLine(" ".join(each.text for each in row), 0.9, Box.around(each.bbox for each in row), words)
        for row in rows
        for words in [tuple(word for each in row for word in each.words)]
    ]

    assert tables_of(arrange([*prose(100, 200, 800, 6), *whole], [], PAGE)) == [as_text(texts)]


def test_a_table_in_a_column_does_not_take_the_text_beside_it() -> None:
    left = [*prose(60, 200, 420, 6), *table(FIGURES, 60, 370, (160, 120, 120)), *prose(60, 490, 420, 12)]
    right = prose(520, 200, 420, 23)

    regions = arrange([*left, *right], [], PAGE)

    assert tables_of(regions) == [as_text(FIGURES)]
    assert [str(region.type) for region in regions] == ["body", "table", "body", "body"]
    assert regions[-1].text == "\n".join(line.text for line in right)


def test_a_row_without_a_figure_has_an_empty_cell() -> None:
    rows = [*FIGURES[:2], ("Beans", "", "17"), *FIGURES[2:]]
    (found,) = (
        region
        for region in arrange(
            [*prose(100, 200, 800, 6), *table(rows, 100, 400, (200, 150, 150)), *prose(100, 560, 800, 6)], [], PAGE
        )
        if region.type is RegionType.TABLE
    )

    assert found.text == as_text(rows)
    empty = found.rows[2][1]
    assert empty.lines == ()
    assert empty.bbox.width > 0 < empty.bbox.height


@pytest.mark.parametrize(
    "entries",
    [
        [
            ("Of the whale", 3),
            ("Of ships", 17),
            ("Of ropes", 29),
            ("Of men", 54),
            ("Of storms", 80),
            ("Of oil", 95),
        ],
        [("Anchors", 80), ("Boats", 3), ("Casks", 54), ("Doldrums", 17), ("Eyes", 95), ("Fins", 29), ("Gales", 8)],
    ],
    ids=["contents", "index"],
)
def test_contents_and_an_index_are_not_a_table(entries: list[tuple[str, int]]) -> None:
    rows = [(name, str(number)) for name, number in entries]

    regions = arrange(table(rows, 100, 400, (300, 200)), [], PAGE)

    assert tables_of(regions) == []
    assert [word for region in regions for word in region.text.split()] == " ".join(map(" ".join, rows)).split()


def test_numbers_of_a_list_and_of_verses_are_not_a_table() -> None:
    numbered = [words_line(f"{number}", 100, 300 + 26 * number) for number in range(1, 9)]
    beside = [words_line(f"verse {'long ' * number}", 150, 300 + 26 * number) for number in range(1, 9)]

    assert tables_of(arrange([*numbered, *beside], [], PAGE)) == []


MEANINGS = [("hus", "a house"), ("skip", "ship"), ("eald", "old"), ("fugol", "a bird")]


def test_words_in_columns_within_running_text_are_a_table() -> None:
    rows = table(MEANINGS, 100, 400, (300, 200))
    lines = [*prose(100, 200, 800, 6), *rows, *prose(100, 560, 800, 6)]

    regions = arrange(lines, [], PAGE)

    assert [str(region.type) for region in regions] == ["body", "table", "body"]
    assert tables_of(regions) == [as_text(MEANINGS)]


def test_an_empty_place_between_words_is_an_empty_cell() -> None:
    texts = [("a", "hus", "house"), ("", "skip", "ship"), ("b", "eald", "old"), ("", "fugol", "bird")]
    lines = [*prose(100, 200, 800, 6), *table(texts, 100, 400, (100, 300, 200))]

    assert tables_of(arrange(lines, [], PAGE)) == [as_text(texts)]


@pytest.mark.parametrize(
    "words",
    [
        MEANINGS * 5,
        [("the sea was calm that", "night, and no wind"), ("came over the hills", "to the ship below")] * 3,
    ],
    ids=["index", "verse"],
)
def test_columns_of_words_without_text_above_or_below_are_not_a_table(words: list[tuple[str, str]]) -> None:
    heading = OcrLine("INDEX", 0.9, Box(250, 300, 200, 40))

    assert tables_of(arrange([heading, *table(words, 100, 400, (300, 300))], [], PAGE)) == []


def test_verse_in_columns_within_running_text_is_not_a_table() -> None:
    verse = [("the sea was calm that", "night, and no wind"), ("came over the hills", "to the ship below")] * 3
    lines = [*prose(100, 200, 800, 6), *table(verse, 100, 400, (300, 300)), *prose(100, 600, 800, 6)]

    assert tables_of(arrange(lines, [], PAGE)) == []


def ruled(xs: Sequence[int], ys: Sequence[int]) -> Rules:
    return Rules(
        tuple(Box(xs[0], y - 1, xs[-1] - xs[0], 2) for y in ys),
        tuple(Box(x - 1, ys[0], 2, ys[-1] - ys[0]) for x in xs),
    )


def test_words_between_rules_are_the_cells_of_a_table() -> None:
    rows = [("Word", "Meaning"), ("hus", "a house"), ("skip", "a ship"), ("sæ", "the sea")]
    lines = [line for y, row in enumerate(rows) for line in table([row], 100, 404 + 40 * y, (200, 200))]
    rules = ruled([100, 300, 500], [394, 434, 474, 514, 554])

    regions = arrange([*prose(100, 200, 800, 6), *lines, *prose(100, 580, 800, 6)], [], PAGE, rules=rules)

    assert [str(region.type) for region in regions] == ["body", "table", "body"]
    assert regions[1].text == as_text(rows)
    assert regions[1].rows[1][0].bbox == Box(100, 434, 200, 40)


def test_a_cell_without_a_rule_to_the_next_one_covers_both() -> None:
    upper = [words_line("Exports of corn", 200, 404)]
    lower = table([("Oats", "5", "7"), ("Rye", "6", "8")], 100, 438, (200, 100, 100))
    grid = ruled([100, 300, 400, 500], [394, 430, 490])
    rules = Rules(grid.level, (grid.upright[0], Box(299, 430, 2, 60), Box(399, 430, 2, 60), grid.upright[-1]))

    (found,) = arrange([*upper, *lower], [], PAGE, rules=rules)

    assert found.text == "Exports of corn\nOats\t5\t7\nRye\t6\t8"
    assert [cell.column_span for cell in found.rows[0]] == [3]


def test_lines_of_one_cell_are_one_text() -> None:
    lines = [
        words_line("a long", 110, 400),
        words_line("name", 110, 426),
        words_line("17", 320, 400),
        *table([("short", "4")], 100, 460, (200, 100)),
    ]

    (found,) = arrange(lines, [], PAGE, rules=ruled([100, 300, 400], [390, 455, 490]))

    assert found.text == "a long name\t17\nshort\t4"
    assert found.rows[0][0].text == "a long\nname"


def test_columns_of_text_between_rules_are_not_a_table() -> None:
    left, right = prose(110, 200, 370, 30), prose(520, 200, 370, 30)
    rules = ruled([100, 500, 900], [190, 1000])

    regions = arrange([*left, *right], [], PAGE, rules=rules)

    assert tables_of(regions) == []
    assert [region.text for region in regions] == ["\n".join(line.text for line in side) for side in (left, right)]


def test_a_picture_of_a_table_is_not_read_twice() -> None:
    lines = [line for y in range(4) for line in table([("word", "word")], 100, 404 + 40 * y, (200, 200))]
    rules = ruled([100, 300, 500], [394, 434, 474, 514, 554])

    (found,) = arrange(lines, [Picture(Box(98, 390, 404, 166), 0.4)], PAGE, rules=rules)

    assert found.type is RegionType.TABLE


def test_printed_rules_are_found_and_letters_are_not() -> None:
    page = Image.new("L", PAGE, 235)
    draw = ImageDraw.Draw(page)
    for y in (394, 434, 474):
        draw.line((100, y, 500, y + 2), fill=40, width=2)
    for x in (100, 300, 500):
        # With a break.
        draw.line((x, 394, x, 440), fill=40, width=2)
        draw.line((x, 446, x, 474), fill=40, width=2)
    draw.text((120, 600), "MMMM WWWW HHHH EEEE", fill=20, font_size=20)

    rules = find_rules(page, [Box(100, 600, 300, 20)])

    assert sorted(round(rule.centre_y) for rule in rules.level) == pytest.approx([395, 435, 475], abs=2)
    assert sorted(round(rule.centre_x) for rule in rules.upright) == pytest.approx([100, 300, 500], abs=2)
    assert find_rules(page, []) == NO_RULES


def test_the_text_of_a_table_has_tabs_for_cells_that_others_cover() -> None:
    def cell(text: str, rows: int = 1, columns: int = 1) -> Cell:
        box = Box(0, 0, 1, 1)
        return Cell(box, (OcrLine(text, 1.0, box),) if text else (), rows, columns)

    rows = [[cell("a", 2), cell("b", 1, 2)], [cell("c"), cell("d")], [cell("e"), cell("f"), cell("")]]

    assert table_text(rows) == "a\tb\n\tc\td\ne\tf"


@pytest.mark.parametrize(
    "text", ["17", "1,234.50", "1 234", "12½", "½", "£5", "(7)", "10-12", "-", "'", "3 4 5", "7*"]
)
def test_a_number_or_a_sign_for_one_is_a_figure(text: str) -> None:
    assert is_figure(text)


@pytest.mark.parametrize("text", ["", "a", "12 men", "1st", "Wheat", "1-2.3", "1 2 3 4 5 6"])
def test_a_text_with_words_is_not_a_figure(text: str) -> None:
    assert not is_figure(text)

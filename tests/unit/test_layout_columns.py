"""Columns from line boxes alone: lines 20 pixels high, 26 apart, with gutters narrower than a line is high."""

from itertools import chain, pairwise

import pytest

from worker.ocr.boxes import Box
from worker.ocr.engines.base import OcrLine, OcrWord
from worker.ocr.layout.region_types import RegionType
from worker.ocr.layout.regions import Region, arrange
from worker.ocr.layout.rules import Rules

PAGE = (1400, 1800)
GUTTER = 12


def words_line(words: list[tuple[str, int, int]], y: int, height: int = 20) -> OcrLine:
    """A line of words, each with its left and right end."""
    found = tuple(OcrWord(text, 0.9, Box(left, y, right - left, height)) for text, left, right in words)
    text = " ".join(word.text for word in found)
    return OcrLine(text, 0.9, Box.around(word.bbox for word in found), found)


def words(name: str, x: int, width: int, count: int, seed: int) -> list[tuple[str, int, int]]:
    """Words from one side of a column to the other, with spaces of 8 pixels, elsewhere in each line."""
    inner = sorted((seed * 7919 + 104729 * each) % (width - 60) + 30 for each in range(1, count))
    ends = [0, *inner, width + 8]
    return [
        (f"{name}.{place}", x + left, x + right - 8)
        for place, (left, right) in enumerate(pairwise(ends))
        if right - left > 20
    ]


def columns(count: int, rows: int, top: int, name: str = "") -> list[list[tuple[str, int, int]]]:
    """The words of each line of each column, row by row."""
    width = (1200 - (count - 1) * GUTTER) // count
    return [
        words(
            f"{name}{column}-{row}",
            100 + column * (width + GUTTER),
            width,
            24 // count,
            row * count + column + top,
        )
        for row in range(rows)
        for column in range(count)
    ]


def order(regions: list[Region]) -> list[str]:
    return [word for region in regions for word in region.text.split()]


def by_column(found: list[list[tuple[str, int, int]]], count: int) -> list[str]:
    return [word for column in range(count) for line in found[column::count] for word, _, _ in line]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_columns_are_read_one_after_the_other(count: int) -> None:
    found = columns(count, 30, 300)

    regions = arrange([words_line(line, 300 + 26 * (place // count)) for place, line in enumerate(found)], [], PAGE)

    assert order(regions) == by_column(found, count)


@pytest.mark.parametrize("count", [2, 3])
def test_lines_that_an_engine_has_read_over_the_gutters_are_cut_there(count: int) -> None:
    found = columns(count, 30, 300)
    rows = [list(chain(*found[start : start + count])) for start in range(0, len(found), count)]

    regions = arrange([words_line(row, 300 + 26 * place) for place, row in enumerate(rows)], [], PAGE)

    assert order(regions) == by_column(found, count)
    assert all(
        line.text == " ".join(word.text for word in line.words) for region in regions for line in region.lines
    )


def test_two_words_that_an_engine_has_joined_over_the_gutter_do_not_end_it() -> None:
    found = columns(2, 30, 300)
    rows = [found[start] + found[start + 1] for start in range(0, len(found), 2)]
    last, first = found[30][-1], found[31][0]
    joined = (last[0] + first[0], last[1], first[2])
    rows[15] = [*found[30][:-1], joined, *found[31][1:]]

    read = order(arrange([words_line(row, 300 + 26 * place) for place, row in enumerate(rows)], [], PAGE))

    assert [word for word in read if word != joined[0]] == [
        word for word in by_column(found, 2) if word not in {last[0], first[0]}
    ]


def test_a_short_heading_over_four_columns_divides_all_of_them() -> None:
    above, below = columns(4, 12, 300, "a"), columns(4, 12, 700, "b")
    lines = [
        *(words_line(line, 300 + 26 * (place // 4)) for place, line in enumerate(above)),
        words_line([("THE", 560, 640), ("WHALE", 650, 840)], 640, height=30),
        *(words_line(line, 700 + 26 * (place // 4)) for place, line in enumerate(below)),
    ]

    assert order(arrange(lines, [], PAGE)) == [*by_column(above, 4), "THE", "WHALE", *by_column(below, 4)]


@pytest.mark.parametrize("count", [2, 4])
def test_a_heading_with_a_space_where_the_gutter_is_stays_whole(count: int) -> None:
    above, below = columns(count, 12, 300, "a"), columns(count, 12, 700, "b")
    lines = [
        *(words_line(line, 300 + 26 * (place // count)) for place, line in enumerate(above)),
        words_line([("THE", 560, 692), ("WHALE", 708, 840)], 644, height=24),
        *(words_line(line, 700 + 26 * (place // count)) for place, line in enumerate(below)),
    ]

    assert order(arrange(lines, [], PAGE)) == [*by_column(above, count), "THE", "WHALE", *by_column(below, count)]


def test_a_heading_as_narrow_as_the_column_below_it_is_read_before_all_columns() -> None:
    found = columns(3, 20, 300)
    heading = words_line([("THE", 600, 660), ("WHALE", 670, 800)], 240, height=26)
    lines = [words_line(line, 300 + 26 * (place // 3)) for place, line in enumerate(found)]

    assert order(arrange([*lines, heading], [], PAGE)) == ["THE", "WHALE", *by_column(found, 3)]


def test_columns_under_a_wide_heading_are_no_marginalia() -> None:
    found = columns(4, 20, 300)
    heading = words_line([("THE", 110, 500), ("WHALE", 520, 900), ("SWAM", 920, 1290)], 240, height=30)
    lines = [words_line(line, 300 + 26 * (place // 4)) for place, line in enumerate(found)]

    assert {region.type for region in arrange([heading, *lines], [], PAGE)} == {RegionType.BODY}


def test_a_narrow_column_beside_a_wide_one_is_read_by_itself() -> None:
    wide = [words(f"wide-{row}", 100, 900, 14, row) for row in range(20)]
    narrow = [words(f"narrow-{row}", 1030, 250, 4, row) for row in range(20)]
    lines = [words_line(line, 300 + 26 * row) for part in (narrow, wide) for row, line in enumerate(part)]

    assert order(arrange(lines, [], PAGE)) == [word for line in [*wide, *narrow] for word, _, _ in line]


def test_pieces_of_a_line_that_was_cut_have_their_parts_of_its_outline_and_baseline() -> None:
    found = columns(2, 14, 300)
    rows = [words_line(found[start] + found[start + 1], 300 + 13 * start) for start in range(0, len(found), 2)]
    lines = [
        OcrLine(row.text, 0.9, row.bbox, row.words, row.bbox.corners, ((row.bbox.x, y), (row.bbox.right, y)))
        for row in rows
        for y in [row.bbox.bottom - 4]
    ]

    left, right = arrange(lines, [], PAGE)

    assert left.type is right.type is RegionType.BODY
    assert left.lines[0].baseline == ((100, 316), (694, 316))
    assert right.lines[0].baseline == ((706, 316), (1300, 316))
    assert left.lines[0].outline == left.lines[0].bbox.corners == Box(100, 300, 594, 20).corners


def ragged(rows: int) -> list[tuple[list[tuple[str, int, int]], int]]:
    """Two columns under a list as wide as both: the first lines of the left one are the longest."""
    over = [(words(f"list{row}", 100, 1100, 24, row), 300 + 26 * row) for row in range(6)]
    top = 300 + 26 * 6 + 40
    for row in range(rows):
        width = 560 if row < 4 else 490 + 4 * (row * 7 % 11)
        left = words(f"left{row}", 100, width, 12, row)
        over += [(left, top + 26 * row), (words(f"right{row}", 690, 510, 12, row + 50), top + 26 * row)]
    return over


def test_a_column_with_ragged_lines_is_not_taken_for_headings_over_the_gutter() -> None:
    lines = ragged(20)
    regions = arrange([words_line(line, y) for line, y in lines], [], PAGE)
    expected = [*lines[:6], *lines[6::2], *lines[7::2]]
    assert order(regions) == [word for line, _ in expected for word, _, _ in line]


def test_lines_in_two_pieces_below_columns_are_no_columns() -> None:
    lines = ragged(20)
    below = 300 + 26 * 26 + 80
    lines.append((words("wide", 100, 1100, 24, 3), below))
    for row in (1, 2):
        lines.append((words(f"start{row}", 100, 560, 12, row), below + 26 * row))
        lines.append((words(f"end{row}", 670, 530, 12, row + 9), below + 26 * row))
    lines.append((words("last", 100, 1100, 24, 4), below + 26 * 3))

    regions = arrange([words_line(line, y) for line, y in lines], [], PAGE)

    found = order(regions)
    names = [word.partition(".")[0] for word in found[found.index("wide.0") :]]
    assert list(dict.fromkeys(names)) == ["wide", "start1", "end1", "start2", "end2", "last"]


def test_a_rule_between_columns_that_are_nearer_than_words_divides_them() -> None:
    left = [words(f"l{row}", 100, 590, 12, row + 300) for row in range(8)]
    right = [words(f"r{row}", 696, 590, 12, row + 500) for row in range(8)]
    lines = [
        words_line([*one, *other], 300 + 26 * row) for row, (one, other) in enumerate(zip(left, right, strict=True))
    ]
    rules = Rules(upright=(Box(692, 296, 2, 210),))

    regions = arrange(lines, [], PAGE, rules=rules)

    assert order(regions) == [word for side in (left, right) for row in side for word, _, _ in row]


def test_a_rule_with_text_across_it_is_not_a_gutter() -> None:
    lines = [words_line(words(f"{row}-", 100, 1200, 24, row + 300), 300 + 26 * row) for row in range(8)]
    rules = Rules(upright=(Box(690, 296, 2, 50), Box(40, 296, 2, 800)))

    regions = arrange(lines, [], PAGE, rules=rules)

    assert order(regions) == [word for line in lines for word in line.text.split()]

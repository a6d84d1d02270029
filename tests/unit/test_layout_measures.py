"""What the benchmark of layout measures on a page, with readings that are made up."""

from typing import Any

import pytest

from benchmarks.join_measures import JoinCounts, count_joins
from benchmarks.layout_measures import Share, cut_by_a_picture, skew_error, turned_right, typed_right
from benchmarks.table_measures import TableCounts, count_tables
from sample.truth_pages import Recipe, RegionKind, Sheet, Truth, make_page
from worker.ocr.layout.region_types import RegionType

# Pages have no type for numbers yet, or one of their own.
NUMBER_TYPE = "page_number" if "page_number" in set(RegionType) else "header"
PLAIN = {
    "sheet": Sheet.PAGE,
    "columns": (1.0,),
    "dpi": 100,
    "running_head": True,
    "page_number": "top",
    "quarter_turns": 1,
    "skew_degrees": 2.0,
    "picture": False,
}


@pytest.fixture(scope="module")
def truth() -> Truth:
    return make_page(Recipe.of_seed(1, **PLAIN)).truth


def region(kind: str, text: str = "") -> dict[str, Any]:
    return {"type": kind, "text": text}


def as_printed(truth: Truth) -> list[dict[str, Any]]:
    return [region("body", each.text) for each in truth.of_kind(RegionKind.PARAGRAPH)]


def test_a_head_and_a_number_are_right_as_regions_of_their_own(truth: Truth) -> None:
    head, number = (truth.of_kind(kind)[0].text for kind in (RegionKind.RUNNING_HEAD, RegionKind.PAGE_NUMBER))
    apart = [region("header", head.lower()), region(NUMBER_TYPE, number), *as_printed(truth)]
    joined = [region("header", f"{head} {number}"), *as_printed(truth)]
    as_text = [region("body", head), region("body", number), *as_printed(truth)]
    for read, heads, numbers in ((apart, 1, 1), (joined, 1, 0), (as_text, 0, 0)):
        assert typed_right(truth, read, RegionKind.RUNNING_HEAD) == Share(heads, 1)
        assert typed_right(truth, read, RegionKind.PAGE_NUMBER) == Share(numbers, 1)


def test_a_paragraph_is_right_as_one_region_of_text(truth: Truth) -> None:
    first, *others = as_printed(truth)
    lines = first["text"].split("\n")
    halves = [region("body", "\n".join(part)) for part in (lines[: len(lines) // 2], lines[len(lines) // 2 :])]
    count = 1 + len(others)
    assert typed_right(truth, [first, *others], RegionKind.PARAGRAPH) == Share(count, count)
    assert typed_right(truth, [*halves, *others], RegionKind.PARAGRAPH) == Share(count - 1, count)
    assert typed_right(truth, [region("verse", first["text"]), *others], RegionKind.PARAGRAPH) == Share(
        count - 1, count
    )


def test_a_picture_within_a_paragraph_cuts_it(truth: Truth) -> None:
    first, *others = as_printed(truth)
    lines = first["text"].split("\n")
    upper, lower = region("body", "\n".join(lines[:2])), region("body", "\n".join(lines[2:]))
    assert cut_by_a_picture(truth, [upper, region("image"), lower, *others])
    assert not cut_by_a_picture(truth, [upper, lower, region("image"), *others])
    assert not cut_by_a_picture(truth, [region("image"), first, *others])


def test_a_sentence_that_is_printed_twice_cuts_no_paragraph(truth: Truth) -> None:
    first, *others = as_printed(truth)
    assert not cut_by_a_picture(
        truth, [region("body", first["text"].split("\n")[0]), region("image"), first, *others]
    )


def test_a_paragraph_that_is_missing_beside_a_picture_is_lost(truth: Truth) -> None:
    _, *others = as_printed(truth)
    assert cut_by_a_picture(truth, [region("image"), *others])
    assert not cut_by_a_picture(truth, others)


def test_turn_and_skew_are_compared_with_those_of_the_page(truth: Truth) -> None:
    assert turned_right(truth, {"quarter_turns": 3, "skew": 1.9})
    assert not turned_right(truth, {"quarter_turns": 1, "skew": 1.9})
    assert not turned_right(truth, None)
    assert skew_error(truth, {"quarter_turns": 3, "skew": 1.9}) == pytest.approx(0.1)
    assert skew_error(truth, None) == pytest.approx(2.0)


def test_cells_of_a_table_are_right_where_they_are_printed() -> None:
    truth = make_page(Recipe.of_seed(1, **{**PLAIN, "table": "aligned"})).truth
    (table,) = truth.of_kind(RegionKind.TABLE)
    rows = table.text.split("\n")
    cells = len(table.cells)

    assert count_tables(truth, [region("table", table.text)]) == TableCounts(1, 1, cells, cells)
    assert count_tables(truth, [region("body", table.text)]) == TableCounts(1, 0, cells)
    one_lost = "\n".join([*rows[:-1], rows[-1].rsplit("\t", 1)[0]])
    assert count_tables(truth, [region("table", one_lost)]) == TableCounts(1, 1, cells, cells - 1)
    assert count_tables(truth, [region("table", "another\t17")]) == TableCounts(1, 0, cells, 0, false=1)


def test_joins_are_right_where_a_paragraph_goes_on_in_the_next_column() -> None:
    truth = make_page(Recipe.of_seed(1, **{**PLAIN, "columns": (1.0, 1.0)})).truth
    paragraphs = truth.of_kind(RegionKind.PARAGRAPH)
    read = [{**region("body", each.text), "id": f"r{place}"} for place, each in enumerate(paragraphs)]
    place = next(place for place, each in enumerate(paragraphs[:-1]) if each.goes_on)

    nothing = count_joins(truth, read)
    assert (nothing.joins, nothing.found, nothing.false) == (1, 0, 0)
    assert nothing.right_ends == (not paragraphs[-1].goes_on)
    read[place]["continues_in"] = f"r{place + 1}"
    assert count_joins(truth, read) == nothing + JoinCounts(found=1)
    read[place]["continues_in"] = f"r{place + 2}"
    assert count_joins(truth, read) == nothing + JoinCounts(false=1)


def test_divided_words_are_right_if_their_lines_are_marked() -> None:
    truth = make_page(Recipe.of_seed(1, **PLAIN)).truth
    read = [
        {
            **region("body", each.text),
            "id": "r1",
            "lines": [{"text": line.text, "hyphenated": True} for line in each.lines],
        }
        for each in truth.of_kind(RegionKind.PARAGRAPH)
    ]

    counts = count_joins(truth, read)

    assert counts.marked == counts.hyphens > 0
    assert counts.wrong == sum(len(each["lines"]) for each in read) - counts.hyphens

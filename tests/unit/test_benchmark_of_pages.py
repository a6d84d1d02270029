"""The table of targets for pages, made of records that are made up, and the file that keeps them."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.pages.figures import (
    Row,
    Yardstick,
    as_table,
    beside_rows,
    geometry_rows,
    gutter_rows,
    layout_rows,
    skew_rows,
)
from benchmarks.pages.records import Records
from benchmarks.pages.tasks import Task, tasks
from checkpointing.errors import InputError

HELD_OUT = 1_000_000


def counts(words: int, ordered: int, errors: int = 0) -> dict[str, int]:
    return {
        "characters": 10 * words,
        "character_errors": errors,
        "words": words,
        "word_errors": 0,
        "recalled_words": words,
        "ordered_words": ordered,
    }


def layout_record(columns: int, ordered: int) -> dict[str, Any]:
    types = {"running_head": {"right": 1, "whole": 1}, "page_number": {"right": 0, "whole": 1}}
    yardstick = counts(100, 50, 10)
    found = {"columns": columns, "counts": counts(100, ordered), "types": types, "cut": columns > 1}
    return {**found, "yardstick": yardstick, "cpu_seconds": 1.0}


def geometry_record(sheet: str = "page", **different: Any) -> dict[str, Any]:
    right = {"turn_is_right": True, "upright": True, "skew": 4.0, "curled": False, "skew_error": 0.05}
    unknown = {"yardstick_error": None, "crop_is_right": None, "stays_whole": None}
    return {"sheet": sheet, **right, **unknown, "cpu_seconds": 0.2, "resampling_seconds": 0.1, **different}


def by_figure(rows: list[Row]) -> dict[str, Row]:
    found = {row.figure: row for row in rows}
    assert len(found) == len(rows)
    return found


def test_table_shows_each_figure_beside_its_target_and_its_yardstick() -> None:
    met = Row("turns", 0.996, "500 pages", ("≥", 0.995), "", Yardstick("as scanned", 0.498))
    missed = Row("skew", 0.31, "9 pages", ("≤", 0.3), "°")
    alone = Row("pages lost", 0, "3 pages")
    assert as_table([met, missed, alone]).splitlines()[2:] == [
        "| turns | 0.9960 | 500 pages | ≥ 0.995 | yes | as scanned: 0.4980 | 2.00 |",
        "| skew | 0.3100° | 9 pages | ≤ 0.3° | **no** | - | - |",
        "| pages lost | 0 | 3 pages | - | - | - | - |",
    ]


def test_geometry_is_measured_on_pages_with_print() -> None:
    wrong = geometry_record(upright=False, turn_is_right=False, skew_error=0.15)
    records = [geometry_record(), geometry_record(), wrong, geometry_record("spread_plate", turn_is_right=False)]
    rows = by_figure(geometry_rows(records, 6.0))
    turn = rows["quarter turn right"]
    assert (turn.value, turn.of, turn.is_met) == (pytest.approx(2 / 3), "3 pages", False)
    assert turn.yardstick == Yardstick("left as scanned", pytest.approx(2 / 3))
    assert rows["skew error, median"].value == pytest.approx(0.05)
    assert rows["skew error, median"].yardstick == Yardstick("left as scanned", 4.0)
    cost = rows["core-seconds a page to find the geometry and to apply it"]
    assert (cost.value, cost.is_met) == (pytest.approx(0.3), False)
    assert "not cropped without a bed" not in rows


def test_gutters_are_counted_on_spreads_and_cuts_on_other_sheets() -> None:
    found = {"gutter_is_right": True, "middle_is_right": False, "gutter_seconds": 0.5}
    sheets = [("spread", True), ("spread", False), ("spread_plate", True), ("fold_out", False), ("page", True)]
    rows = by_figure(gutter_rows([{**found, "sheet": sheet, "gutter_is_right": right} for sheet, right in sheets]))
    assert rows["spreads: gutter within 1 % of the width"].value == 0.5
    assert (rows["plates cut"].value, rows["plates cut"].of, rows["plates cut"].is_met) == (1, "2 plates", False)
    assert rows["single pages cut"].is_met


def test_layout_is_measured_by_the_number_of_columns() -> None:
    rows = by_figure(layout_rows([layout_record(1, 100), layout_record(4, 96), layout_record(6, 99)], "as read"))
    one, many = rows["words in order, 1 column, as read"], rows["words in order, 3 to 6 columns, as read"]
    assert (one.value, one.is_met, one.of) == (1.0, True, "1 page")
    assert (many.value, many.is_met, many.of) == (0.975, True, "2 pages")
    assert many.yardstick == Yardstick("sorted by height", 0.5)
    assert "words in order, 2 columns, as read" not in rows
    assert rows["running heads typed right, as read"].value == 1
    assert rows["page numbers typed right, as read"].is_met is False
    assert rows["pages that lose a paragraph to a picture, as read"].value == 2


def test_error_rates_of_skewed_pages_are_over_that_of_the_straight_page() -> None:
    errors = {"0": 10, "1": 10, "3": 11, "5": 12, "10": 15}
    rows = skew_rows([{"counts": {skew: counts(100, 100, number) for skew, number in errors.items()}}])
    assert [row.value for row in rows] == pytest.approx([1.0, 1.1, 1.2, 1.5])
    assert rows[-1].is_met is False
    without_errors = {skew: counts(100, 100) for skew in errors}
    assert {row.value for row in skew_rows([{"counts": without_errors}])} == {1.0}


def test_pages_that_the_other_program_did_not_read_are_not_compared() -> None:
    alone = layout_record(1, 0)
    del alone["yardstick"]
    rows = by_figure(beside_rows([layout_record(1, 100), alone], "OCRmyPDF"))
    assert rows["words in order, all"].of == "1 page"
    assert rows["words in order, all"].yardstick == Yardstick("OCRmyPDF", 0.5)
    assert rows["cer, 1 column"].is_met
    assert beside_rows([alone], "OCRmyPDF") == []


def test_tasks_take_pages_of_each_number_of_columns() -> None:
    found = tasks(HELD_OUT, pages=5, readings=5)
    assert len(set(found)) == len(found)
    assert {kind: sum(task.kind == kind for task in found) for kind in ("beside", "read", "skew", "lines")} == {
        "beside": 5,
        "read": 3,
        "skew": 1,
        "lines": 5,
    }
    assert min(task.seed for task in found) == HELD_OUT


def test_records_are_continued_by_the_same_version_only(tmp_path: Path) -> None:
    path, task, other = tmp_path / "build" / "records", Task("lines", 1), Task("lines", 2)
    Records(path, "a1").add({"kind": "lines", "seed": 1, "cut": False})
    with path.open("a") as file:
        file.write('{"kind": "lines", "se')
    continued = Records(path, "a1")
    assert continued.missing([task, other]) == [other]
    continued.add({"kind": "lines", "seed": 2, "cut": True})
    assert [each["cut"] for each in Records(path, "a1").of([task, other])] == [False, True]
    with pytest.raises(InputError, match="of version a1, not of b2"):
        Records(path, "b2")

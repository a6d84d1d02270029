"""The rows of the table of targets, from the records of all pages."""

import math
import operator
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.layout import COLUMNS, SKEWS
from benchmarks.layout_measures import Share
from benchmarks.pages.tasks import Record
from checkpointing.plurals import counted
from producer.evaluate.measure import Counts

_MET = {"≥": operator.ge, "≤": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq}
_WITHOUT = "-"
_TYPES = {"running_head": "running heads", "page_number": "page numbers"}


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What a figure is compared with, measured on the same pages."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Row:
    """A figure.

    Attributes:
        figure: what was measured.
        value: in `unit`.
        of: on how many pages, or on how many regions.
        target: how the value is compared, and with what; None without a target.
        unit: follows the value; empty for shares.
        yardstick: None without one.
    """

    figure: str
    value: float
    of: str
    target: tuple[str, float] | None = None
    unit: str = ""
    yardstick: Yardstick | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None without one."""
        return None if self.target is None else bool(_MET[self.target[0]](self.value, self.target[1]))


def as_table(rows: Iterable[Row]) -> str:
    """Return rows as a table in Markdown."""
    head = "| figure | measured | of | target | met | yardstick | ratio |\n|---|---|---|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(_cells(row))} |\n" for row in rows)


def _cells(row: Row) -> tuple[str, ...]:
    met = _WITHOUT if row.is_met is None else "yes" if row.is_met else "**no**"
    target = f"{row.target[0]} {row.target[1]:.4g}{row.unit}" if row.target else _WITHOUT
    measured = f"{_number(row.value)}{row.unit}"
    if row.yardstick is None:
        return row.figure, measured, row.of, target, met, _WITHOUT, _WITHOUT
    beside = f"{row.yardstick.name}: {_number(row.yardstick.value)}{row.unit}"
    ratio = f"{row.value / row.yardstick.value:.2f}" if row.yardstick.value else _WITHOUT
    return row.figure, measured, row.of, target, met, beside, ratio


def _number(value: float) -> str:
    return f"{value:.4f}" if value % 1 else f"{value:.0f}"


def geometry_rows(records: Sequence[Record], reading_seconds: float | None) -> list[Row]:
    """Return what is measured without reading: turn, skew, crop, time.

    Args:
        records: of pages as they come.
        reading_seconds: mean CPU seconds of reading a page; None if no page was read.
    """
    printed = [each for each in records if not _is_plate(each)]
    upright = Yardstick("left as scanned", _mean(each["upright"] for each in printed))
    seconds = _mean(each["cpu_seconds"] + each["resampling_seconds"] for each in printed)
    beside = None if reading_seconds is None else Yardstick("reading a page", reading_seconds)
    pages = counted(len(printed), "page")
    return [
        *_shares("quarter turn right", printed, "turn_is_right", ("≥", 0.995), upright),
        *_skew_errors(printed),
        *_shares("cropped to the paper on a dark bed", printed, "crop_is_right"),
        *_shares("not cropped without a bed", printed, "stays_whole"),
        Row("core-seconds a page to find the geometry and to apply it", seconds, pages, ("≤", 0.25), " s", beside),
    ]


def gutter_rows(records: Sequence[Record]) -> list[Row]:
    """Return how well gutters are found, on pages as they come and on more spreads and plates."""
    spreads = [each for each in records if each["sheet"] == "spread"]
    single = [each for each in records if each["sheet"] == "page"]
    plates = [each for each in records if _is_plate(each)]
    middle = Yardstick("the middle", _mean(each["middle_is_right"] for each in spreads))
    rows = _shares("spreads: gutter within 1 % of the width", spreads, "gutter_is_right", ("≥", 0.99), middle)
    for name, sheets in (("plates", plates), ("single pages", single)):
        cut = sum(not each["gutter_is_right"] for each in sheets)
        rows.append(Row(f"{name} cut", cut, counted(len(sheets), name.removesuffix("s")), ("=", 0)))
    seconds = _mean(each["gutter_seconds"] for each in records)
    pictures = counted(len(records), "picture")
    rows.append(Row("core-seconds a picture to look for a gutter", seconds, pictures, None, " s"))
    return rows


def _is_plate(record: Record) -> bool:
    return "plate" in record["sheet"] or record["sheet"] == "fold_out"


def _shares(
    figure: str,
    records: Sequence[Record],
    name: str,
    target: tuple[str, float] | None = None,
    yardstick: Yardstick | None = None,
) -> list[Row]:
    """Return a row of how many records are right, of those for which that is known; none if it is for none."""
    known = [each[name] for each in records if each[name] is not None]
    return [Row(figure, _mean(known), counted(len(known), "page"), target, "", yardstick)] if known else []


def _skew_errors(records: Sequence[Record]) -> list[Row]:
    rows = []
    flat = [each for each in records if not each["curled"]]
    for name, percent, chosen, target in (
        ("median", 50, records, ("≤", 0.1)),
        ("95th percentile", 95, records, ("≤", 0.3)),
        ("95th percentile, flat pages", 95, flat, None),
    ):
        if chosen:
            error = float(np.percentile([each["skew_error"] for each in chosen], percent))
            pages = counted(len(chosen), "page")
            rows.append(Row(f"skew error, {name}", error, pages, target, "°", _other_skew(chosen, percent)))
    return rows


def _other_skew(records: Sequence[Record], percent: int) -> Yardstick:
    theirs = [each["yardstick_error"] for each in records if each["yardstick_error"] is not None]
    if theirs:
        return Yardstick("jdeskew", float(np.percentile(theirs, percent)))
    return Yardstick("left as scanned", float(np.percentile([abs(each["skew"]) for each in records], percent)))


def layout_rows(records: Sequence[Record], how: str) -> list[Row]:
    """Return words in order, types of regions, and paragraphs lost to pictures; `how` the lines were found."""
    rows = []
    for name, (fewest, most, target) in COLUMNS.items():
        group = [each for each in records if fewest <= each["columns"] <= most]
        if group:
            order = _rate(group, "counts", "word_order")
            by_height = _rate(group, "yardstick", "word_order") if "yardstick" in group[0] else None
            yardstick = None if by_height is None else Yardstick("sorted by height", by_height)
            pages = counted(len(group), "page")
            rows.append(Row(f"words in order, {name}, {how}", order, pages, ("≥", target), "", yardstick))
    for kind, name in _TYPES.items():
        found = sum((Share(**each["types"][kind]) for each in records), Share())
        if found.whole:
            right = found.right / found.whole
            rows.append(Row(f"{name} typed right, {how}", right, f"{found.whole}", ("≥", 0.98)))
    if records:
        cut = sum(each["cut"] for each in records)
        pages = counted(len(records), "page")
        rows.append(Row(f"pages that lose a paragraph to a picture, {how}", cut, pages, ("=", 0)))
    return rows


def skew_rows(records: Sequence[Record]) -> list[Row]:
    """Return the character error rates of pages at each skew over that of the same pages without."""
    straight = _rate(records, "counts", "cer", "0")
    rows = []
    for skew in SKEWS if records else ():
        ratio = _over(_rate(records, "counts", "cer", f"{skew:g}"), straight)
        figure = f"error rate at {skew:g}° ÷ at 0° ({straight:.4f})"
        rows.append(Row(figure, ratio, counted(len(records), "page"), ("≤", 1.2)))
    return rows


def beside_rows(records: Sequence[Record], other: str) -> list[Row]:
    """Return how well pages as they come are read beside another program, by the number of columns."""
    read_by_both = [each for each in records if "yardstick" in each]
    groups: dict[str, list[Record]] = {"all": read_by_both}
    for name, (fewest, most, _) in COLUMNS.items():
        groups[name] = [each for each in read_by_both if fewest <= each["columns"] <= most]
    rows = []
    for name, group in groups.items():
        for figure, rate, better in (
            ("words found", "word_recall", "≥"),
            ("words in order", "word_order", "≥"),
            ("cer", "cer", "≤"),
        ):
            if group:
                beside = Yardstick(other, _rate(group, "yardstick", rate))
                ours, pages = _rate(group, "counts", rate), counted(len(group), "page")
                rows.append(Row(f"{figure}, {name}", ours, pages, (better, beside.value), "", beside))
    return rows


def _rate(records: Iterable[Record], name: str, rate: str, part: str | None = None) -> float:
    """Return a rate over all pages; 0 where there is nothing to count."""
    counts = (each[name] if part is None else each[name][part] for each in records)
    return getattr(sum((Counts(**each) for each in counts), Counts()), rate) or 0.0


def _over(value: float, yardstick: float) -> float:
    """Return the ratio of two values; 1 for two zeros."""
    if yardstick:
        return value / yardstick
    return math.inf if value else 1.0


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return statistics.mean(map(float, known)) if known else 0.0

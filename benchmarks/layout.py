"""How well pages are read as they come: in columns, skewed, turned, two at once, on a dark bed.

Generated pages of known layout (`sample/truth_pages`) go through the OCR stage with the default engine. By default
these are the held-out seeds, from 1,000,000 on, which nothing may be tuned on; `--first-seed 0` measures on those
for tuning. The default engine does not read Greek: such pages are in English.
"""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Any, Literal

from benchmarks.join_measures import JoinCounts, count_joins
from benchmarks.layout_measures import Share, cut_by_a_picture, skew_error, turned_right, typed_right
from benchmarks.printed_lines import PrintedLines
from benchmarks.report import note, report
from benchmarks.table_measures import TableCounts, count_tables
from checkpointing.plurals import counted
from producer.evaluate.evaluate import measure_page
from producer.evaluate.measure import Counts
from producer.evaluate.readings import text_of
from sample.one_page import OnePage
from sample.picture_pages import pages_of
from sample.truth_pages import HELD_OUT_SEEDS, Bed, Recipe, RegionKind, Sheet, TruePage, make_page
from worker.ocr.engines.base import Engine
from worker.ocr.engines.registry import make_engine
from worker.pages.geometry.settings import OFF
from worker.pages.sources.base import PageImage
from worker.stages.ocr import OcrStage
from worker.stages.options import OcrOptions

COLUMNS = {"1 column": (1, 1, 0.999), "2 columns": (2, 2, 0.99), "3 to 6 columns": (3, 6, 0.97)}
"""Fewest and most columns, and the target for the share of words in order."""
KINDS = (
    RegionKind.RUNNING_HEAD,
    RegionKind.PAGE_NUMBER,
    RegionKind.PARAGRAPH,
    RegionKind.VERSE,
    RegionKind.CAPTION,
    RegionKind.MARGINALIA,
    RegionKind.FOOTNOTE,
)
"""What is looked for as regions of their own."""
SKEWS = (1.0, 3.0, 5.0, 10.0)
_UPRIGHT = {"sheet": Sheet.PAGE, "quarter_turns": 0, "skew_degrees": 0.0}
_TABLES: tuple[Literal["ruled", "aligned"], ...] = ("ruled", "aligned")
_TYPES_TARGET, _TURNS_TARGET = 0.98, 0.995
_MOST_ERRORS = 1.2
"""Target for the error rate of a skewed page, as a multiple of that of the straight one."""


@dataclass(frozen=True, slots=True)
class Read:
    """A page that was read.

    Attributes:
        page: as generated.
        outputs: of the stage, in the types of JSON: one, or one for each page of a spread that was split.
        counts: of errors, after the rules of `producer evaluate` for normalised texts.
        cpu_seconds: that the stage took.
    """

    page: TruePage
    outputs: Sequence[Mapping[str, Any]]
    counts: Counts
    cpu_seconds: float

    @property
    def regions(self) -> Sequence[Mapping[str, Any]]:
        """Its regions, in reading order."""
        return [region for output in self.outputs for region in output["regions"]]

    @property
    def geometry(self) -> Mapping[str, Any] | None:
        """How the first page was cut out and turned; None if it was read as it was."""
        return self.outputs[0].get("geometry")


class Reader:
    """Reads recipes with an engine, each as often as there are rounds; `options` are those of the OCR stage."""

    def __init__(self, engine: Engine, rounds: int = 1, options: OcrOptions | None = None) -> None:
        engine.load()
        self._engine = engine
        self.engine_name = engine.name
        self._stage = OcrStage(options, engine)
        self._rounds = rounds

    def read(self, recipe: Recipe, *, split: bool = False) -> Read:
        """Make the page of a recipe, read it, and compare it with the truth; `split` a spread, as ingest does."""
        page = make_page(recipe)
        if isinstance(self._engine, PrintedLines):
            self._engine.page = page
        scan = PageImage(page.image, float(page.truth.dpi))
        parts = [OnePage(each) for each in (pages_of(scan) if split else [scan])]
        times = []
        for _ in range(self._rounds):
            started = time.process_time()
            outputs = [self._stage.run(1, part) for part in parts]
            times.append(time.process_time() - started)
        dumped = [output.model_dump(mode="json") for output in outputs]
        text = "\n".join(text_of(output["regions"]) for output in dumped)
        counts = measure_page(1, page.truth.text, text).normalised
        note(f"seed {recipe.seed}, {recipe.sheet}, {_counted_columns(recipe)}: {_shown(counts)}")
        return Read(page, dumped, counts, statistics.median(times))


def run(page_count: int = 12, rounds: int = 1, first_seed: int = HELD_OUT_SEEDS) -> None:
    """Measure and report.

    Args:
        page_count: how many pages are read upright, in three groups by their columns, and how many as they come. A
            fifth of it is read at each skew, and of three times as many the printed lines are arranged.
        rounds: how often each page is read, for its time.
        first_seed: of the pages.
    """
    _report_printed_lines(first_seed, page_count)
    reader = Reader(make_engine(OcrOptions()), rounds)
    upright = []
    for name, (fewest, most, target) in COLUMNS.items():
        recipes = upright_recipes(first_seed, fewest, most, max(1, page_count // len(COLUMNS)))
        pages = [reader.read(recipe) for recipe in recipes]
        _report_order(f"{name}, upright, {counted(len(pages), 'page')}", pages, target)
        upright += pages
    for kind in KINDS:
        _report_types(kind, "", upright)
    _report_tables(", upright", upright)
    _report_joins(", upright", upright)
    _report_skews(reader, first_seed, max(1, page_count // (len(SKEWS) + 1)))
    drawn = [reader.read(readable(Recipe.of_seed(seed))) for seed in range(first_seed, first_seed + page_count)]
    _report_as_they_come(drawn)
    everything = [*upright, *drawn]
    cut = sum(cut_by_a_picture(each.page.truth, each.regions) for each in everything)
    report(f"pages of {len(everything)} that lose a paragraph to a picture", cut, "pages", "target: 0", None)
    seconds = statistics.mean(each.cpu_seconds for each in everything)
    report(f"core-seconds a page, generated pages, {reader.engine_name}", seconds, "CPU s", "none", None)


def _report_order(name: str, pages: Sequence[Read], target: float) -> None:
    counts = sum((each.counts for each in pages), Counts())
    order, recall = counts.word_order or 0.0, counts.word_recall or 0.0
    report(f"words in order, {name}", order, "of 1", f"target: {target}", order / target or None)
    report(f"words found, {name}", recall, "of 1", "none", None)


def _report_printed_lines(first_seed: int, number: int) -> None:
    """Report how lines are arranged if all of them are found and read without an error."""
    # The places of the lines are those of the picture as it is.
    options = OcrOptions(ocr_rotate=OFF, ocr_deskew=OFF, ocr_crop=OFF)
    reader = Reader(PrintedLines(options), 1, options)
    pages = []
    for name, (fewest, most, target) in COLUMNS.items():
        recipes = upright_recipes(first_seed, fewest, most, number)
        read = [reader.read(_flat(recipe)) for recipe in recipes]
        _report_order(f"{name}, lines as printed, {counted(len(read), 'page')}", read, target)
        pages += read
    for kind in KINDS:
        _report_types(kind, ", lines as printed", pages)
    _report_tables(", lines as printed", pages)
    _report_joins(", lines as printed", pages)
    numbered = enumerate(upright_recipes(first_seed, 1, 6, number))
    with_table = (replace(recipe, table=_TABLES[place % len(_TABLES)]) for place, recipe in numbered)
    _report_tables(
        ", a table on each page, lines as printed", [reader.read(_flat(recipe)) for recipe in with_table]
    )
    cut = sum(cut_by_a_picture(each.page.truth, each.regions) for each in pages)
    name = f"pages of {len(pages)}, lines as printed, that lose a paragraph to a picture"
    report(name, cut, "pages", "target: 0", None)


def _flat(recipe: Recipe) -> Recipe:
    return replace(recipe, curl=0.0, bed=Bed.NONE)


def _report_types(kind: RegionKind, suffix: str, pages: Sequence[Read]) -> None:
    share = sum((typed_right(each.page.truth, each.regions, kind) for each in pages), Share())
    name = kind.replace("_", " ")
    if not share.whole:
        note(f"None of these pages has a {name}")
        return
    right = share.right / share.whole
    report(
        f"{name}s typed right, of {share.whole}{suffix}",
        right,
        "of 1",
        f"target: {_TYPES_TARGET}",
        right / _TYPES_TARGET or None,
    )


def _report_tables(suffix: str, pages: Sequence[Read]) -> None:
    """Report how many tables are found with how many of their cells, and what else is taken for a table."""
    counts = sum((count_tables(each.page.truth, each.regions) for each in pages), TableCounts())
    if counts.tables:
        report(f"tables found, of {counts.tables}{suffix}", counts.found / counts.tables, "of 1", "none", None)
        report(f"cells right, of {counts.cells}{suffix}", counts.right / counts.cells, "of 1", "none", None)
    report(f"false tables on {counted(len(pages), 'page')}{suffix}", counts.false, "tables", "target: 0", None)


def _report_joins(suffix: str, pages: Sequence[Read]) -> None:
    """Report how many of the paragraphs that go on, and of the words divided at line ends, are marked."""
    counts = sum((count_joins(each.page.truth, each.regions) for each in pages), JoinCounts())
    if counts.joins:
        name = f"paragraphs joined over columns, of {counts.joins}{suffix}"
        report(name, counts.found / counts.joins, "of 1", "none", None)
    report(f"false joins on {counted(len(pages), 'page')}{suffix}", counts.false, "paragraphs", "target: 0", None)
    if counts.hyphens:
        name = f"divided words marked, of {counts.hyphens}{suffix}"
        report(name, counts.marked / counts.hyphens, "of 1", f"others marked: {counts.wrong}", None)
    if counts.pages:
        name = f"ends of pages right, of {counts.pages}{suffix}"
        report(name, counts.right_ends / counts.pages, "of 1", "none", None)


def _report_skews(reader: Reader, first_seed: int, number: int) -> None:
    """Report the character error rate of pages at each skew, over that of the same pages without."""
    recipes = list(upright_recipes(first_seed, 1, 1, number))
    rates = {}
    for skew in (0.0, *SKEWS):
        turned = (reader.read(replace(recipe, skew_degrees=skew)) for recipe in recipes)
        rates[skew] = sum((each.counts for each in turned), Counts()).cer or 0.0
    straight = rates[0.0]
    for skew in SKEWS:
        name = f"cer at {skew:g} degrees of skew, {counted(number, 'page')}"
        yardstick = f"at 0 degrees: {straight:.4f}; target: {_MOST_ERRORS} times that"
        report(name, rates[skew], "of 1", yardstick, rates[skew] / straight or None if straight else None)


def _report_as_they_come(pages: Sequence[Read]) -> None:
    """Report turn, skew and order of pages that have all that a seed draws."""
    name = counted(len(pages), "page")
    _report_order(f"pages as they come, {name}", pages, COLUMNS["3 to 6 columns"][2])
    right = statistics.mean(turned_right(each.page.truth, each.geometry) for each in pages)
    report(f"quarter turn right, {name}", right, "of 1", f"target: {_TURNS_TARGET}", right / _TURNS_TARGET or None)
    errors = sorted(skew_error(each.page.truth, each.geometry) for each in pages)
    report(f"median skew error, {name}", statistics.median(errors), "degrees", "target: 0.1", None)
    worst = errors[min(len(errors) - 1, round(0.95 * len(errors)))]
    report(f"95th percentile of the skew error, {name}", worst, "degrees", "target: 0.3", None)


def upright_recipes(first_seed: int, fewest: int, most: int, number: int) -> Iterator[Recipe]:
    """Yield the first `number` recipes whose pages have so many columns, as upright single pages."""
    drawn = (upright_recipe(seed) for seed in count(first_seed))
    return islice((each for each in drawn if fewest <= len(each.columns) <= most), number)


def upright_recipe(seed: int) -> Recipe:
    """Return what a seed draws as an upright single page."""
    return readable(Recipe.of_seed(seed, **_UPRIGHT))


def readable(recipe: Recipe) -> Recipe:
    """Return the recipe, in English where RapidOCR does not read the script."""
    return replace(recipe, language="en") if recipe.language == "el" else recipe


def _counted_columns(recipe: Recipe) -> str:
    return counted(len(recipe.columns), "column")


def _shown(counts: Counts) -> str:
    return f"{counts.word_recall or 0.0:.3f} of its words found, {counts.word_order or 0.0:.3f} of these in order"

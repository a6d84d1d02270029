"""What is measured on one generated page. Each task is one page in one process and gives one record.

A record has the `kind` and `seed` of its task, and what was measured in the types of JSON.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from itertools import count, islice
from typing import Any, NamedTuple

import cv2

from benchmarks import geometry, readers
from benchmarks.layout import COLUMNS, SKEWS, Read, Reader, upright_recipe, upright_recipes
from benchmarks.layout_measures import cut_by_a_picture, typed_right
from benchmarks.printed_lines import PrintedLines
from producer.evaluate.evaluate import measure_page
from sample.truth_pages import Bed, Recipe, RegionKind, Sheet, TruePage, Truth, make_page
from worker.ocr.engines.registry import make_engine
from worker.stages.options import OcrOptions

Record = dict[str, Any]
LANGUAGES = {"en": "eng", "de": "deu"}
"""Languages of the pages that OCRmyPDF reads too, with the names of Tesseract's data."""
OCRMYPDF_OPTIONS = ("--rotate-pages", "--deskew")
_TYPES = (RegionKind.RUNNING_HEAD, RegionKind.PAGE_NUMBER)
_AS_IT_IS = OcrOptions(ocr_rotate="off", ocr_deskew="off", ocr_crop="off")


class Task(NamedTuple):
    """A kind of measurement and the seed of the page."""

    kind: str
    seed: int


def tasks(first_seed: int, pages: int, readings: int) -> list[Task]:
    """Return the tasks of a measurement, those that take longest first.

    Args:
        first_seed: of the pages.
        pages: how many are measured without an engine, as they come and upright. A tenth as many more are spreads,
            and a twentieth plates over two pages.
        readings: how many are read as they come, by both programs. Three fifths of it are read upright, and of
            three twentieths each skew.
    """
    drawn = (seed for seed in count(first_seed) if Recipe.of_seed(seed).language in LANGUAGES)
    found = [Task("beside", seed) for seed in islice(drawn, readings)]
    of_group = max(1, readings // (len(COLUMNS) + 2))
    for fewest, most, _ in COLUMNS.values():
        found += [Task("read", each.seed) for each in upright_recipes(first_seed, fewest, most, of_group)]
    skewed = upright_recipes(first_seed, 1, 1, max(1, round(0.15 * readings)))
    found += [Task("skew", each.seed) for each in skewed]
    found += [Task("spread", first_seed + number) for number in range(max(1, pages // 10))]
    found += [Task("plate", first_seed + number) for number in range(max(1, pages // 20))]
    for seed in range(first_seed, first_seed + pages):
        found += [Task("lines", seed), Task("geometry", seed)]
    return found


def measure(task: Task) -> Record:
    """Return the record of a task. Readings with RapidOCR take some 7 CPU seconds, everything else about one."""
    cv2.setNumThreads(1)
    return {"kind": task.kind, "seed": task.seed, **_MEASURES[task.kind](task.seed)}


def _geometry(seed: int) -> Record:
    """Find the geometry of a page as it comes."""
    recipe = Recipe.of_seed(seed)
    page = make_page(recipe)
    return {
        **_gutter_of(page),
        "upright": recipe.quarter_turns == 0,
        "skew": recipe.skew_degrees,
        "curled": recipe.curl > 0,
        **geometry.measure(page)._asdict(),
    }


def _spread(seed: int) -> Record:
    """Find the gutter of a spread."""
    return _gutter_of(make_page(geometry.few_columns(seed, Sheet.SPREAD)))


def _plate(seed: int) -> Record:
    """Look for the gutter on a picture over both pages of a spread."""
    return _gutter_of(make_page(geometry.few_columns(seed, Sheet.SPREAD_PLATE)))


def _gutter_of(page: TruePage) -> Record:
    seconds: list[float] = []
    is_right = geometry.gutter_is_right(page, seconds)
    return {
        "sheet": page.recipe.sheet.value,
        "gutter_is_right": is_right,
        "middle_is_right": _is_near_middle(page.truth),
        "gutter_seconds": sum(seconds),
    }


def _is_near_middle(truth: Truth) -> bool:
    """Return whether the middle of the paper is within 1 % of the gutter of a spread; False without one."""
    if truth.geometry.gutter is None:
        return False
    (left, top), (right, right_top) = truth.geometry.paper[:2]
    x, y = truth.geometry.gutter[0]
    width = math.hypot(right - left, right_top - top)
    return abs(math.hypot(x - left, y - top) / width - 0.5) <= geometry.WITHIN


def _lines(seed: int) -> Record:
    """Arrange the lines of an upright, flat page as they are printed."""
    recipe = replace(upright_recipe(seed), curl=0.0, bed=Bed.NONE)
    read = _reader_of_printed_lines().read(recipe)
    by_height = sorted(read.page.truth.lines, key=lambda line: line.box.y)
    sorted_text = "\n".join(line.text for line in by_height)
    return {**_layout(recipe, read), "yardstick": _counts(read.page.truth, sorted_text)}


def _read(seed: int) -> Record:
    """Read an upright page with RapidOCR."""
    recipe = upright_recipe(seed)
    return _layout(recipe, _reader().read(recipe))


def _skew(seed: int) -> Record:
    """Read the same page straight and at each skew."""
    recipes = {skew: replace(upright_recipe(seed), skew_degrees=skew) for skew in (0.0, *SKEWS)}
    return {"counts": {f"{skew:g}": asdict(_reader().read(recipe).counts) for skew, recipe in recipes.items()}}


def _beside(seed: int) -> Record:
    """Read a picture as it comes with Leafmark, which splits spreads, and with OCRmyPDF, where it is installed."""
    recipe = Recipe.of_seed(seed)
    read = _reader().read(recipe, split=True)
    record = {**_layout(recipe, read), "sheet": recipe.sheet.value}
    if not readers.has_tesseract():
        return record
    language = LANGUAGES[recipe.language]
    text = readers.read_picture_by_ocrmypdf(read.page.image, recipe.dpi, language, OCRMYPDF_OPTIONS)
    return {**record, "yardstick": _counts(read.page.truth, text)}


def _layout(recipe: Recipe, read: Read) -> Record:
    truth = read.page.truth
    return {
        "columns": len(recipe.columns),
        "counts": asdict(read.counts),
        "types": {kind.value: asdict(typed_right(truth, read.regions, kind)) for kind in _TYPES},
        "cut": cut_by_a_picture(truth, read.regions),
        "cpu_seconds": read.cpu_seconds,
    }


def _counts(truth: Truth, text: str) -> Record:
    return asdict(measure_page(1, truth.text, text).normalised)


@cache
def _reader() -> Reader:
    """Return the reader of this process, with the default engine."""
    return Reader(make_engine(OcrOptions()))


@cache
def _reader_of_printed_lines() -> Reader:
    """Return the reader of printed lines, which are in pixels of the picture: the page is not cropped or turned."""
    return Reader(PrintedLines(_AS_IT_IS), options=_AS_IT_IS)


_MEASURES: dict[str, Callable[[int], Record]] = {
    "beside": _beside,
    "read": _read,
    "skew": _skew,
    "lines": _lines,
    "geometry": _geometry,
    "spread": _spread,
    "plate": _plate,
}

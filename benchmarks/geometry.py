"""How well the geometry of a page and the gutter of a spread are found, and at what cost, on unseen pages.

Pages with print are measured, not plates. The yardstick for the skew is jdeskew, where it is installed.
"""

import time
from collections.abc import Iterable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.report import cpu_seconds_of, note, report
from checkpointing.plurals import counted
from sample.truth_pages import HELD_OUT_SEEDS, Bed, Recipe, Sheet, TruePage, make_page
from sample.truth_pages import Geometry as TrueGeometry
from worker.ocr.engines.rapid.engine import load_direction_classifier
from worker.pages.geometry.find import find_geometry
from worker.pages.geometry.gutter import Gutter
from worker.pages.geometry.resample import page_image
from worker.pages.geometry.settings import GeometrySettings
from worker.pages.geometry.spread import find_gutter
from worker.pages.geometry.transform import Geometry

_PAGES = 60
_KINDS = (
    (Sheet.SPREAD, 1.0),
    (Sheet.SPREAD_PLATE, 0.5),
    (Sheet.FOLD_OUT, 0.25),
    (Sheet.PLATE, 0.25),
    (Sheet.PAGE, 0.5),
)
"""Kinds of sheets that are shown to the finder of gutters, and how many of each as a share of the pages."""
WITHIN = 0.01
"""Maximum distance of the box from the paper, as a share of the longer side of the paper."""


class Measured(NamedTuple):
    """What was measured on a page.

    Attributes:
        turn_is_right: whether the quarter turns are right.
        doubtful: whether the turn is unclear.
        skew_error: in degrees.
        yardstick_error: that of jdeskew; None where it is not installed.
        crop_is_right: whether the page is the paper; None without a dark bed.
        stays_whole: whether the page is not cropped; None on a bed.
        cpu_seconds: to find the geometry.
        resampling_seconds: CPU seconds to make the page image.
    """

    turn_is_right: bool
    doubtful: bool
    skew_error: float
    yardstick_error: float | None
    crop_is_right: bool | None
    stays_whole: bool | None
    cpu_seconds: float
    resampling_seconds: float


def run(page_count: int = _PAGES, rounds: int = 1) -> None:  # noqa: ARG001  # a page is measured once
    """Measure and report."""
    cv2.setNumThreads(1)
    _measure_gutters(page_count)
    recipes = [Recipe.of_seed(HELD_OUT_SEEDS + number) for number in range(page_count)]
    measured = [measure(make_page(recipe)) for recipe in recipes if "plate" not in recipe.sheet.value]
    pages = counted(len(measured), "page")
    _report_share("quarter turns right", (each.turn_is_right for each in measured), "target: 0.995")
    _report_share("pages without a doubt", (not each.doubtful for each in measured), "none")
    errors = [each.skew_error for each in measured]
    theirs = [each.yardstick_error for each in measured if each.yardstick_error is not None]
    for name, percent, target in (("median", 50, 0.1), ("95th percentile", 95, 0.3)):
        yardstick = f"jdeskew: {np.percentile(theirs, percent):.3f}" if theirs else f"target: {target}"
        error = float(np.percentile(errors, percent))
        report(f"error of the skew, {name}, {pages}", error, "degrees", yardstick, None)
    _report_share("cropped to the paper on a dark bed", (each.crop_is_right for each in measured), "none")
    _report_share("not cropped without a bed", (each.stays_whole for each in measured), "target: 1")
    seconds = float(np.mean([each.cpu_seconds for each in measured]))
    report(f"core-seconds a page to find the geometry, {pages}", seconds, "CPU s", "target: 0.25", None)


def _measure_gutters(page_count: int) -> None:
    """Measure and report where the gutters of spreads are found, and which sheets are cut that must stay whole."""
    seconds: list[float] = []
    for kind, share in _KINDS:
        seeds = range(HELD_OUT_SEEDS, HELD_OUT_SEEDS + max(1, round(share * page_count)))
        rights = [gutter_is_right(make_page(few_columns(seed, kind)), seconds) for seed in seeds]
        what = "gutter within 1 % of the width" if kind is Sheet.SPREAD else "not cut"
        target = "target: 0.99" if kind is Sheet.SPREAD else "target: 1"
        _report_share(f"{what}, {kind.value.replace('_', ' ')}", rights, target)
    report("core-seconds a picture to find the gutter", float(np.mean(seconds)), "CPU s", "none", None)


def few_columns(seed: int, kind: Sheet) -> Recipe:
    """Return a recipe for a kind of sheet; a spread has at most two columns on each page."""
    recipe = Recipe.of_seed(seed, sheet=kind)
    is_wide = kind is not Sheet.PAGE and len(recipe.columns) > 2
    return Recipe.of_seed(seed, sheet=kind, columns=(1.0, 1.0)) if is_wide else recipe


def gutter_is_right(page: TruePage, seconds: list[float]) -> bool:
    """Return whether the gutter of a spread is found within 1 % of the width, and none on another sheet.

    Args:
        page: as generated.
        seconds: gets the CPU seconds that it took.
    """
    started = time.process_time()
    gutter = find_gutter(np.asarray(page.image), GeometrySettings(), load_direction_classifier()).gutter
    seconds.append(time.process_time() - started)
    true = page.truth.geometry
    if page.recipe.sheet is not Sheet.SPREAD or true.gutter is None or gutter is None:
        return (gutter is not None) == (page.recipe.sheet is Sheet.SPREAD)
    error = _distance(gutter, page)
    note(f"seed {page.recipe.seed}: gutter off by {error:.2%} of the width")
    return error <= WITHIN


def _distance(gutter: Gutter, page: TruePage) -> float:
    """Return how far the ends of the true gutter are from the line found, as a share of the width of the paper.

    Infinite if top and bottom are confused, as on a spread that is taken to be upside down.
    """
    top, bottom = (np.array(end) * page.image.size for end in (gutter.top, gutter.bottom))
    along = (bottom - top) / np.hypot(*(bottom - top))
    upper, lower = (np.array(end) for end in page.truth.geometry.gutter or ())
    if (lower - upper) @ along < 0:
        return float("inf")
    left, right = (np.array(corner) for corner in page.truth.geometry.paper[:2])
    across = np.array([-along[1], along[0]])
    return float(max(abs((end - top) @ across) for end in (upper, lower)) / np.hypot(*(right - left)))


def _report_share(name: str, measured: Iterable[bool | None], yardstick: str) -> None:
    """Report how many pages, of those that are not None, are right."""
    known = [each for each in measured if each is not None]
    if known:
        report(f"{name}, {counted(len(known), 'page')}", sum(known) / len(known), "of 1", yardstick, None)


def measure(page: TruePage) -> Measured:
    """Find the geometry of a page, and compare it with the truth."""
    recipe = page.recipe
    pixels = np.asarray(page.image)
    started = time.process_time()
    found = find_geometry(pixels, GeometrySettings(), load_direction_classifier())
    seconds = time.process_time() - started
    resampling_seconds = cpu_seconds_of(partial(page_image, page.image, found.geometry))
    truth, geometry = page.truth.geometry, found.geometry
    skew = f"skew {geometry.skew} of {truth.skew_degrees}"
    note(f"seed {recipe.seed}: {counted(geometry.quarter_turns, 'quarter turn')}, {skew}")
    return Measured(
        turn_is_right=geometry.quarter_turns == -truth.quarter_turns % 4,
        doubtful=bool(found.doubt),
        skew_error=abs(geometry.skew - truth.skew_degrees),
        yardstick_error=_error_of_jdeskew(pixels, truth.skew_degrees),
        crop_is_right=_is_around(geometry, truth) if recipe.bed is Bed.DARK else None,
        stays_whole=geometry.confidence.crop == 0 if recipe.bed is Bed.NONE else None,
        cpu_seconds=seconds,
        resampling_seconds=resampling_seconds,
    )


def _error_of_jdeskew(pixels: NDArray[Any], true: float) -> float | None:
    if find_spec("jdeskew") is None:
        return None
    angle = float(import_module("jdeskew.estimator").get_angle(pixels))
    return abs(angle - true)


def _is_around(geometry: Geometry, truth: TrueGeometry) -> bool:
    """Return whether the box of the page is that of the paper."""
    points = [geometry.point_on_page(point) for point in truth.paper]
    width, height = geometry.size
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    farthest = max(abs(left), abs(top), abs(right - width), abs(bottom - height))
    return farthest <= WITHIN * max(right - left, bottom - top)

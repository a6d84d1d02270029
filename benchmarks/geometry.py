"""How well the geometry of a page is found, and what it costs: on generated pages that no tuning has seen.

Pages with print are measured, not plates. The yardstick for the skew is jdeskew, where it is installed.
"""

import time
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.report import note, report
from checkpointing.plurals import counted
from sample.truth_pages import HELD_OUT_SEEDS, Bed, Recipe, make_page
from sample.truth_pages import Geometry as TrueGeometry
from worker.ocr.engines.rapid.engine import load_direction_classifier
from worker.pages.geometry.find import find_geometry
from worker.pages.geometry.settings import GeometrySettings
from worker.pages.geometry.transform import Geometry

_PAGES = 60
_WITHIN = 0.01
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
    """

    turn_is_right: bool
    doubtful: bool
    skew_error: float
    yardstick_error: float | None
    crop_is_right: bool | None
    stays_whole: bool | None
    cpu_seconds: float


def run(page_count: int = _PAGES, rounds: int = 1) -> None:  # noqa: ARG001  # a page is measured once
    """Measure and report."""
    cv2.setNumThreads(1)
    recipes = [Recipe.of_seed(HELD_OUT_SEEDS + number) for number in range(page_count)]
    measured = [measure(recipe) for recipe in recipes if "plate" not in recipe.sheet.value]
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


def _report_share(name: str, measured: Iterable[bool | None], yardstick: str) -> None:
    """Report how many pages, of those that are not None, are right."""
    known = [each for each in measured if each is not None]
    if known:
        report(f"{name}, {counted(len(known), 'page')}", sum(known) / len(known), "of 1", yardstick, None)


def measure(recipe: Recipe) -> Measured:
    """Make the page of a recipe, find its geometry, and compare it with the truth."""
    page = make_page(recipe)
    pixels = np.asarray(page.image)
    started = time.process_time()
    found = find_geometry(pixels, GeometrySettings(), load_direction_classifier())
    seconds = time.process_time() - started
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
    return farthest <= _WITHIN * max(right - left, bottom - top)

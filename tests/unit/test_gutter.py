"""The two pages of a spread: which part of the source image each is, and how that is recorded."""

from itertools import product

import numpy as np
import pytest
from PIL import Image

from worker.pages.geometry.gutter import Gutter, page_in_half, settings_within_half
from worker.pages.geometry.resample import page_image
from worker.pages.geometry.settings import GeometrySettings
from worker.pages.geometry.transform import Confidence, Geometry, Size

AUTO = GeometrySettings()
SIZE = (100, 60)
UPRIGHT = Gutter(top=(0.4, 0), bottom=(0.4, 1))


def test_the_halves_of_an_upright_spread_are_exact_crops() -> None:
    source = Image.fromarray(np.arange(6000, dtype=np.uint16).reshape(60, 100).astype(np.uint8))
    left, right = (page_image(source, UPRIGHT.half(side, SIZE, AUTO)) for side in ("left", "right"))
    assert np.array_equal(np.asarray(left), np.asarray(source)[:, :40])
    assert np.array_equal(np.asarray(right), np.asarray(source)[:, 40:])


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_left_half_of_a_turned_spread_is_left_once_it_is_upright(turns: int) -> None:
    upright = np.arange(6000, dtype=np.uint16).reshape(60, 100).astype(np.uint8)
    source = Image.fromarray(np.rot90(upright, turns))
    ends = {1: ((0, 0.6), (1, 0.6)), 2: ((0.6, 1), (0.6, 0)), 3: ((1, 0.4), (0, 0.4))}
    gutter = Gutter(top=ends[turns][0], bottom=ends[turns][1])
    half = gutter.half("left", source.size, AUTO)
    assert half.quarter_turns == turns
    assert np.array_equal(np.asarray(page_image(source, half)), upright[:, :40])


def test_the_halves_of_a_crooked_spread_meet_at_its_gutter() -> None:
    gutter = Gutter(top=(0.55, 0.0), bottom=(0.45, 1.0))
    left, right = (gutter.half(side, (1000, 800), AUTO) for side in ("left", "right"))
    assert left.skew == right.skew == pytest.approx(7.125, abs=0.001)
    for end in ((550, 0), (450, 800)):
        assert left.point_on_page(end)[0] == pytest.approx(left.size[0], abs=1)
        assert right.point_on_page(end)[0] == pytest.approx(0, abs=1)


def test_what_is_set_takes_the_place_of_what_the_gutter_says() -> None:
    gutter = Gutter(top=(0.55, 0.0), bottom=(0.45, 1.0))
    half = gutter.half("left", (1000, 800), GeometrySettings(rotate="90", deskew="off"))
    assert (half.quarter_turns, half.skew, half.box) == (1, 0, (0, 0, 500, 800))
    assert settings_within_half(GeometrySettings("90", "1.5", "off")) == GeometrySettings("off", "off", "off")


@pytest.mark.parametrize(("turns", "inner_turns"), list(product(range(4), (0, 1))))
def test_a_page_found_on_a_half_is_recorded_on_the_source_image(turns: int, inner_turns: int) -> None:
    confidence = Confidence(crop=0.5, rotate=0.6, deskew=0.7)
    half = Geometry(
        source=Size(width=1000, height=800),
        box=(20, 30, 400, 700),
        quarter_turns=turns,
        skew=2.0,
        confidence=Confidence(),
    )
    width, height = half.size
    found = Geometry(
        source=Size(width=width, height=height),
        box=(10, 20, 300, 280),
        quarter_turns=inner_turns,
        skew=-0.5,
        confidence=confidence,
    )
    page = page_in_half(half, found)
    assert (page.source, page.confidence, page.size) == (half.source, confidence, found.size)
    assert page.skew == 1.5
    for point in ((0, 0), (120, 40), (280, 300)):
        on_source = half.point_on_source(found.point_on_source(point))
        assert page.point_on_source(point) == pytest.approx(on_source, abs=1)

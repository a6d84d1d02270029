"""The transform between the page image and the source image, and the page image that is made by it."""

import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw

from worker.pages.geometry.resample import page_image
from worker.pages.geometry.transform import Confidence, Geometry, Size

WIDTH, HEIGHT = 400, 300
TURNS = range(4)


def geometry(
    box: tuple[int, int, int, int] = (0, 0, WIDTH, HEIGHT), quarter_turns: int = 0, skew: float = 0.0
) -> Geometry:
    return Geometry(
        source=Size(width=WIDTH, height=HEIGHT),
        box=box,
        quarter_turns=quarter_turns,
        skew=skew,
        confidence=Confidence(),
    )


def noise(seed: int = 1) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))


@pytest.mark.parametrize(("quarter_turns", "skew"), list(itertools.product(TURNS, [0.0, 3.0, -7.5])))
def test_a_point_mapped_to_the_source_and_back_is_the_same(quarter_turns: int, skew: float) -> None:
    page = geometry((30, 20, 200, 150), quarter_turns, skew)
    for point in [(0.0, 0.0), (200.0, 150.0), (17.5, 93.25)]:
        assert page.point_on_page(page.point_on_source(point)) == pytest.approx(point)


@pytest.mark.parametrize(("quarter_turns", "skew"), list(itertools.product(TURNS, [0.0, 4.0, -9.0])))
def test_a_mark_on_the_source_is_where_the_transform_says(quarter_turns: int, skew: float) -> None:
    source = Image.new("RGB", (WIDTH, HEIGHT), "white")
    ImageDraw.Draw(source).ellipse((225, 95, 235, 105), "black")
    page = geometry((60, 30, 280, 200), quarter_turns, skew)
    image = page_image(source, page)
    assert image.size == page.size
    y, x = np.nonzero(np.asarray(image.convert("L")) < 128)
    assert (x.mean() + 0.5, y.mean() + 0.5) == pytest.approx(page.point_on_page((230.5, 100.5)), abs=0.2)


def test_one_quarter_turn_is_clockwise() -> None:
    page = geometry(quarter_turns=1)
    assert page.size == (HEIGHT, WIDTH)
    assert page.point_on_page((0, 0)) == (HEIGHT, 0)
    assert page.box_on_page((10, 20, 30, 5)) == (HEIGHT - 25, 10, 5, 30)
    assert page.box_on_source((HEIGHT - 25, 10, 5, 30)) == (10, 20, 30, 5)


def test_a_page_that_stays_as_it_is_is_not_copied() -> None:
    source = noise()
    assert geometry().is_identity
    assert page_image(source, geometry()) is source


@pytest.mark.parametrize("quarter_turns", TURNS)
def test_a_page_that_is_only_turned_keeps_its_pixels(quarter_turns: int) -> None:
    source = noise()
    expected = np.rot90(np.asarray(source.crop((40, 30, 140, 230))), -quarter_turns)
    assert np.array_equal(page_image(source, geometry((40, 30, 100, 200), quarter_turns)), expected)


def test_the_margin_beyond_the_source_has_the_colour_of_the_paper() -> None:
    source = Image.new("L", (WIDTH, HEIGHT), 200)
    assert page_image(source, geometry((-40, -40, WIDTH + 80, HEIGHT + 80), 0, 5.0)).getextrema() == (200, 200)


def test_a_source_at_half_the_resolution_gives_the_same_page_at_half_the_size() -> None:
    source = noise().resize((20, 15)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    page = geometry((40, 20, 300, 200), 1, 2.0)
    full = page_image(source, page)
    half = page_image(source.resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BOX), page)
    assert half.size == (100, 150)
    difference = np.asarray(full.resize(half.size), int) - np.asarray(half, int)
    assert np.abs(difference).mean() < 3


def test_the_recorded_form_is_read_again() -> None:
    page = geometry((-3, -4, 420, 310), 3, 1.25)
    assert Geometry.model_validate_json(page.model_dump_json()) == page

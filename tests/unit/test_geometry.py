"""How the geometry of a page is found: on pages of the sample book, turned, crooked and on a bed."""

from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sample import pages
from sample.render import render
from tests.support.scanned_pages import PAPER, corners_on_bed, on_bed, turned
from worker.ocr.engines.rapid.engine import load_direction_classifier
from worker.pages.geometry.find import Found, find_geometry
from worker.pages.geometry.settings import GeometrySettings, check_crop, check_deskew
from worker.pages.geometry.turn import Pictures, Vote, vote

OWN_SKEW = -0.668
"""Of the text of the page that the tests use, in degrees: the sample book is scanned a little crooked."""
AUTO = GeometrySettings()


@cache
def text_page() -> Image.Image:
    return render(next(page for page in pages() if page.number == 4))


def find(page: Image.Image, settings: GeometrySettings = AUTO) -> Found:
    return find_geometry(np.asarray(page), settings, load_direction_classifier())


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_page_is_turned_the_right_way_up(turns: int) -> None:
    found = find(turned(text_page(), 90 * turns))
    assert found.geometry.quarter_turns == -turns % 4
    assert found.geometry.confidence.rotate > 0.99
    assert not found.doubt


@pytest.mark.parametrize("degrees", [-9.5, 1.3, 100.0])
def test_a_crooked_page_is_straightened(degrees: float) -> None:
    geometry = find(turned(text_page(), degrees)).geometry
    assert geometry.skew == pytest.approx((degrees + OWN_SKEW + 45) % 90 - 45, abs=0.1)
    assert geometry.confidence.deskew > 0.9


def test_a_straight_page_stays_as_it_is() -> None:
    assert find(turned(text_page(), -OWN_SKEW)).geometry.skew == 0
    title = render(next(page for page in pages() if page.number == 1))
    found = find(title)
    assert found.geometry.is_identity
    assert not found.doubt


def test_all_of_a_page_that_is_straightened_is_shown() -> None:
    page = turned(text_page(), 4)
    geometry = find(page).geometry
    for corner in [(0, 0), (page.width, 0), (page.width, page.height), (0, page.height)]:
        x, y = geometry.point_on_page(corner)
        assert -1 <= x <= geometry.size[0] + 1
        assert -1 <= y <= geometry.size[1] + 1


@pytest.mark.parametrize("degrees", [0, 3])
def test_a_page_on_a_dark_bed_is_cropped_to_the_paper(degrees: int) -> None:
    page = text_page()
    geometry = find(on_bed(page, degrees)).geometry
    assert geometry.size == pytest.approx(page.size, abs=40)
    for corner, expected in zip(corners_on_bed(page, degrees), [(0, 0), (1, 0), (1, 1), (0, 1)], strict=True):
        x, y = geometry.point_on_page(corner)
        assert x == pytest.approx(expected[0] * geometry.size[0], abs=30)
        assert y == pytest.approx(expected[1] * geometry.size[1], abs=30)


def test_a_darker_sheet_on_a_white_bed_is_cropped() -> None:
    geometry = find(on_bed(text_page(), bed=(252, 252, 252))).geometry
    assert geometry.size == pytest.approx(text_page().size, abs=40)


def test_a_page_without_a_bed_is_not_cropped() -> None:
    white = Image.new("RGB", (1000, 1400), "white")
    ImageDraw.Draw(white).multiline_text((200, 200), "some lines of text\n" * 30, "black", font_size=24)
    plate = white.copy()
    ImageDraw.Draw(plate).rectangle((0, 0, 1000, 700), fill=(60, 60, 60))
    plate.paste(Image.effect_noise((1000, 700), 120).convert("RGB"), (0, 0))
    for page in (text_page(), white, plate):
        geometry = find(page, GeometrySettings(deskew="off")).geometry
        assert geometry.is_identity


def test_a_page_without_text_stays_as_it_is() -> None:
    for page in (Image.new("RGB", (900, 1200), PAPER), Image.effect_noise((900, 1200), 12)):
        found = find(page)
        assert found.geometry.is_identity
        assert not found.doubt


def test_grey_and_rgb_give_the_same_geometry() -> None:
    page = turned(text_page(), 182).convert("L")
    assert find(page) == find(page.convert("RGB"))


def test_steps_that_are_off_do_nothing() -> None:
    off = GeometrySettings(rotate="off", deskew="off", crop="off")
    assert off.is_off
    assert find(on_bed(turned(text_page(), 180), 3), off).geometry.is_identity


def test_values_that_are_set_are_used() -> None:
    page = text_page()
    geometry = find(page, GeometrySettings(rotate="270", deskew="1.5", crop="10,0,0,20")).geometry
    assert (geometry.quarter_turns, geometry.skew) == (3, 1.5)
    assert geometry.box == (125, 0, 1125, 1400)
    assert geometry.confidence.crop == geometry.confidence.rotate == geometry.confidence.deskew == 1


def never_sure(pictures: Pictures) -> np.ndarray:
    return np.full(len(pictures), 0.5)


class Leaning:
    """Takes three pieces of five for upside down. It is asked about the turned copies first."""

    def __init__(self) -> None:
        self.turned = False
        self.seen = 0

    def __call__(self, pictures: Pictures) -> np.ndarray:
        self.turned = not self.turned
        numbers = self.seen + np.arange(len(pictures))
        self.seen += 0 if self.turned else len(pictures)
        return (numbers % 5 < 3) != self.turned


def test_a_page_whose_turn_is_unclear_is_left_and_doubtful() -> None:
    found = find_geometry(np.asarray(text_page()), AUTO, Leaning())
    assert found.geometry.quarter_turns == 0
    assert found.doubt == ("the page may be turned, which its lines do not tell clearly; it was left as it is")
    sideways = find_geometry(np.asarray(turned(text_page(), 90)), AUTO, never_sure)
    assert sideways.geometry.quarter_turns == 0
    assert "left as it is" in sideways.doubt


def test_an_upright_page_is_not_doubtful_because_the_classifier_knows_nothing() -> None:
    found = find_geometry(np.asarray(text_page()), AUTO, never_sure)
    assert found.geometry.quarter_turns == 0
    assert not found.doubt


def test_a_vote_without_pieces_says_nothing() -> None:
    assert vote(np.zeros((100, 100), np.uint8), [], never_sure) == Vote(0, 0, 0.0)


def test_more_pieces_are_looked_at_only_while_the_answer_is_unclear() -> None:
    pieces = [np.eye(2, 3)] * 60
    page = np.zeros((100, 400), np.uint8)
    leaning = Leaning()
    assert vote(page, pieces, leaning).pieces == leaning.seen == 60
    sure = iter([np.ones(12), np.zeros(12)])
    assert vote(page, pieces, lambda _: next(sure)) == Vote(12, 0, pytest.approx(12 / 13**0.5))


@pytest.mark.parametrize("value", ["auto", "off", "1.5", "-3", "45"])
def test_deskew_takes_degrees(value: str) -> None:
    assert check_deskew(value) == value


@pytest.mark.parametrize("value", ["", "on", "46", "-90", "nan", "inf"])
def test_deskew_rejects_other_values(value: str) -> None:
    with pytest.raises(ValueError, match="degrees from -45 to 45"):
        check_deskew(value)


@pytest.mark.parametrize("value", ["auto", "off", "5,0,5,2.5"])
def test_crop_takes_percents(value: str) -> None:
    assert check_crop(value) == value


@pytest.mark.parametrize("value", ["", "on", "5", "5,5,5", "60,0,40,0", "-1,0,0,0"])
def test_crop_rejects_other_values(value: str) -> None:
    with pytest.raises(ValueError, match="percent of the picture"):
        check_crop(value)


def test_a_plate_on_a_dark_bed_is_straightened_by_its_paper() -> None:
    plate = Image.new("RGB", (1000, 1400), PAPER)
    ImageDraw.Draw(plate).ellipse((200, 300, 800, 1000), (120, 110, 100))
    geometry = find(on_bed(plate, -4)).geometry
    assert geometry.skew == pytest.approx(-4, abs=0.3)
    assert geometry.size == pytest.approx(plate.size, abs=20)

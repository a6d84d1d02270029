"""Which pictures are taken for spreads, where their gutter is found, and which pictures stay whole."""

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.support.scanned_pages import on_bed, turned
from tests.support.spread_pictures import (
    FOLD,
    HEIGHT,
    INK,
    WIDTH,
    blank_sheet,
    print_text,
    shade_fold,
    spread,
)
from worker.pages.geometry.gutter import Gutter
from worker.pages.geometry.settings import GeometrySettings
from worker.pages.geometry.spread import FoundGutter, find_gutter


def find(
    picture: Image.Image, *, upside_down: bool = False, settings: GeometrySettings | None = None
) -> FoundGutter:
    def classify(pieces: Any) -> Any:
        # Half of the pictures that `vote` shows are turned around: letters that reach up tell them apart.
        return np.full(len(pieces), 0.5 + next(signs) * (0.4 if upside_down else -0.4))

    signs = iter([-1, 1] * 10)
    return find_gutter(np.asarray(picture), settings or GeometrySettings(), classify)


def assert_near(gutter: Gutter | None, top: tuple[float, float], bottom: tuple[float, float]) -> None:
    assert gutter is not None
    assert gutter.top == pytest.approx(top, abs=0.01)
    assert gutter.bottom == pytest.approx(bottom, abs=0.01)


def test_the_fold_of_a_spread_is_found_off_the_middle() -> None:
    assert_near(find(spread()).gutter, (FOLD / WIDTH, 0), (FOLD / WIDTH, 1))


@pytest.mark.parametrize("sides", [["left"], ["right"]])
def test_a_spread_with_a_blank_half_is_found_by_its_fold(sides: list[str]) -> None:
    assert_near(find(spread(sides=sides)).gutter, (FOLD / WIDTH, 0), (FOLD / WIDTH, 1))


def test_two_pages_of_text_without_a_fold_are_found_by_the_white_between_them() -> None:
    assert_near(find(spread(depth=0)).gutter, (FOLD / WIDTH, 0), (FOLD / WIDTH, 1))


def test_a_fold_that_is_a_thin_line_is_found() -> None:
    sheet = blank_sheet()
    print_text(sheet, 90, WIDTH // 2 - 20)
    print_text(sheet, WIDTH // 2 + 20, WIDTH - 90)
    ImageDraw.Draw(sheet).line((600, 0, 600, HEIGHT), fill=(120, 116, 110), width=3)
    assert_near(find(sheet).gutter, (0.5, 0), (0.5, 1))


def test_a_spread_that_lies_crooked_on_a_dark_bed_is_found() -> None:
    picture = on_bed(spread(), 3)
    found = find(picture).gutter
    assert found is not None
    turns, skew = found.turn(picture.size)
    assert turns == 0
    assert skew == pytest.approx(3, abs=0.5)


def test_a_spread_on_its_side_is_found_from_the_top_of_its_pages_to_their_bottom() -> None:
    on_its_side = turned(spread(), 270)
    assert_near(find(on_its_side).gutter, (0, 1 - FOLD / WIDTH), (1, 1 - FOLD / WIDTH))


def test_a_spread_that_is_upside_down_is_found_from_the_top_of_its_pages_to_their_bottom() -> None:
    assert_near(find(turned(spread(), 180), upside_down=True).gutter, (1 - FOLD / WIDTH, 1), (1 - FOLD / WIDTH, 0))


def test_a_turn_that_is_set_is_taken_for_granted() -> None:
    settings = GeometrySettings(rotate="180")
    assert_near(find(spread(), settings=settings).gutter, (FOLD / WIDTH, 1), (FOLD / WIDTH, 0))


def test_a_picture_across_the_fold_stays_whole() -> None:
    sheet = blank_sheet()
    noise = Image.effect_noise((900, 500), 80).point(lambda tone: tone * 3 // 4)
    sheet.paste(noise.convert("RGB"), (150, 150))
    found = find(shade_fold(sheet))
    assert found.gutter is None
    assert "reaches across" in found.doubt


def test_a_table_across_the_fold_stays_whole() -> None:
    sheet = spread(depth=0)
    draw = ImageDraw.Draw(sheet)
    for y in range(76, HEIGHT - 80, 100):
        draw.line((90, y, WIDTH - 90, y), fill=INK, width=2)
    assert find(shade_fold(sheet)).gutter is None
    assert find(sheet).gutter is None


def test_a_heading_across_two_blocks_without_a_fold_stays_whole() -> None:
    sheet = blank_sheet()
    print_text(sheet, 90, FOLD - 70, top=160)
    print_text(sheet, FOLD + 70, WIDTH - 90, top=160)
    print_text(sheet, 300, 900, top=80, bottom=120)
    assert find(sheet).gutter is None


def test_a_page_of_two_columns_stays_whole() -> None:
    sheet = blank_sheet()
    print_text(sheet, 90, 580)
    print_text(sheet, 620, 1110)
    ImageDraw.Draw(sheet).line((600, 80, 600, HEIGHT - 80), fill=INK, width=2)
    assert find(sheet) == FoundGutter(None)


def test_a_table_in_landscape_stays_whole() -> None:
    sheet = blank_sheet()
    for left in (90, 250, 410, 670, 830, 990):
        print_text(sheet, left, left + 100)
    assert find(sheet) == FoundGutter(None)


def test_an_upright_page_stays_whole_even_with_a_shadow_down_its_middle() -> None:
    sheet = blank_sheet(600, 840)
    print_text(sheet, 60, 260)
    print_text(sheet, 330, 540)
    assert find(shade_fold(sheet, 300)) == FoundGutter(None)


def test_a_blank_sheet_stays_whole() -> None:
    assert find(blank_sheet()) == FoundGutter(None)

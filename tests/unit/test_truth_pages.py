"""Generated pages with truth: it agrees with the pixels, and a seed always gives the same page."""

import json
import math
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from checkpointing.errors import SettingsError
from sample.truth_pages import Affine, Bed, Recipe, RegionKind, Sheet, TruePage, fonts, make_page, setting, text_of
from sample.truth_pages import __main__ as command
from sample.truth_pages.geometry import Curl, Ink, Polygon
from sample.truth_pages.texts import LANGUAGES

DARK = 128
LONG_S = "\u017f"
PLAIN = {
    "sheet": Sheet.PAGE,
    "columns": (1.0,),
    "dpi": 150,
    "type_points": 9.0,
    "quarter_turns": 0,
    "skew_degrees": 0.0,
    "bed": Bed.NONE,
    "curl": 0.0,
    "stains": 0,
}
RICH = {
    "columns": (1.4, 1.0),
    "heading": True,
    "running_head": True,
    "page_number": "bottom",
    "footnotes": 2,
    "marginalia": 2,
    "table": "ruled",
    "picture": True,
    "verse": True,
    "drop_capital": True,
    "signature": True,
    "catchword": True,
    "column_rules": True,
}


def page(seed: int = 1, **named: Any) -> TruePage:
    return make_page(Recipe.of_seed(seed, **{**PLAIN, **named}))


def filled(polygons: Iterator[Polygon], shape: tuple[int, ...]) -> Ink:
    """Which pixels lie in polygons, or touch their edges."""
    mask = np.zeros(shape, np.uint8)
    for polygon in polygons:
        corners = np.array(polygon, np.float64) - 0.5
        cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], (255,))
    return np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8)), np.uint8)


@pytest.mark.parametrize(
    "named",
    [
        RICH,
        {**RICH, "skew_degrees": 7.0, "quarter_turns": 1, "bed": Bed.DARK},
        {**RICH, "skew_degrees": -3.0, "quarter_turns": 2, "bed": Bed.LIGHT, "curl": 0.5},
        {"columns": (1.0,) * 6, "heading": True, "quarter_turns": 3, "language": "el"},
        {"sheet": Sheet.SPREAD, "skew_degrees": 2.0, "gutter": -0.06, "curl": 0.4, "marginalia": 2},
        {"sheet": Sheet.SPREAD_PLATE},
    ],
    ids=["flat", "turned", "curled", "six columns", "spread", "plate"],
)
def test_all_ink_lies_in_regions_and_that_of_words_in_their_boxes(named: dict[str, object]) -> None:
    made = page(**named)
    truth, dark = made.truth, made.ink > DARK
    assert dark.any()
    assert not (dark & (filled((region.polygon for region in truth.regions), dark.shape) == 0)).any()
    words = filled((word.polygon for line in truth.lines for word in line.words), dark.shape)
    drawn = (region.polygon for region in truth.regions if region.cells or not region.lines)
    assert not (dark & (words == 0) & (filled(drawn, dark.shape) == 0)).any()
    for line in truth.lines:
        for word in line.words:
            box = word.box
            assert dark[box.y : box.bottom, box.x : box.right].any(), word.text


def test_the_picture_is_dark_where_there_is_ink() -> None:
    made = page(skew_degrees=4.0, quarter_turns=1, bed=Bed.DARK, stains=3)
    grey = np.asarray(made.image.convert("L"))
    assert grey.shape == made.ink.shape == (made.truth.height, made.truth.width)
    paper = filled(iter([made.truth.geometry.paper]), grey.shape) > 0
    assert np.median(grey[(made.ink > 250) & paper]) < 100
    assert np.median(grey[(made.ink == 0) & paper]) > 180
    assert np.median(grey[~paper]) < 60


def test_a_seed_gives_the_same_page_and_another_seed_another_one() -> None:
    one, same, other = page(5), page(5), page(6)
    assert one.image.tobytes() == same.image.tobytes()
    assert one.truth == same.truth
    assert one.truth.text != other.truth.text


def test_every_piece_of_a_recipe_appears_in_some_seed() -> None:
    recipes = [Recipe.of_seed(seed) for seed in range(400)]
    for field in fields(Recipe):
        if field.name not in {"seed", "typeface"}:
            drawn = {getattr(recipe, field.name) for recipe in recipes}
            assert len(drawn) > 1, field.name
    assert {len(recipe.columns) for recipe in recipes} == {1, 2, 3, 4, 5, 6}
    assert {recipe.quarter_turns for recipe in recipes} == {0, 1, 2, 3}
    assert {recipe.language for recipe in recipes} == set(LANGUAGES)
    assert {recipe.dpi for recipe in recipes} == {150, 200, 240, 300, 400}
    assert max(abs(recipe.skew_degrees) for recipe in recipes) > 9


def test_every_kind_of_region_appears_in_some_seed() -> None:
    pages = (page(seed, **RICH) for seed in range(1, 4))
    assert {region.kind for made in pages for region in made.truth.regions} == set(RegionKind)


def test_what_is_named_does_not_change_what_else_a_seed_draws() -> None:
    drawn = Recipe.of_seed(11)
    named = Recipe.of_seed(11, columns=(1.0, 1.0, 2.0), skew_degrees=3.0)
    for name in ("language", "running_head", "page_number", "stains", "quarter_turns", "bed"):
        assert getattr(named, name) == getattr(drawn, name)


def test_skew_and_turns_leave_the_text_as_it_is() -> None:
    flat = page(3, **RICH).truth
    for skew, turns in ((1.0, 0), (-10.0, 2)):
        assert page(3, **RICH, skew_degrees=skew, quarter_turns=turns).truth.text == flat.text


def test_skew_is_clockwise_and_turns_are_made_after_it() -> None:
    for turns in range(4):
        truth = page(skew_degrees=5.0, quarter_turns=turns).truth
        (x, y), (end_x, end_y) = next(line for line in truth.lines if len(line.words) > 3).baseline
        assert math.degrees(math.atan2(end_y - y, end_x - x)) % 360 == pytest.approx(5.0 + 90 * turns)


def test_columns_are_read_one_after_the_other() -> None:
    truth = page(columns=(1.0, 1.6, 1.0), heading=True).truth
    paragraphs = truth.of_kind(RegionKind.PARAGRAPH)
    lefts = sorted({min(x for x, _ in region.polygon) for region in paragraphs})
    assert [round(min(x for x, _ in region.polygon)) for region in paragraphs] == sorted(
        round(min(x for x, _ in region.polygon)) for region in paragraphs
    )
    widths = [max(region.box.width for region in paragraphs if abs(region.box.x - left) < 3) for left in lefts]
    assert max(widths) > 1.4 * min(widths)
    kinds = [region.kind for region in truth.regions]
    assert kinds.index(RegionKind.HEADING) < kinds.index(RegionKind.PARAGRAPH)


def test_only_the_last_part_of_a_paragraph_does_not_go_on() -> None:
    for one, other in pairwise(page(columns=(1.0,) * 4).truth.of_kind(RegionKind.PARAGRAPH)):
        if one.goes_on:
            assert other.box.y < one.box.y
            assert other.box.x > one.box.x


def test_a_table_has_a_cell_in_each_column_of_each_row() -> None:
    (table,) = page(table="aligned").truth.of_kind(RegionKind.TABLE)
    rows, columns = {cell.row for cell in table.cells}, {cell.column for cell in table.cells}
    assert len(table.cells) == len(rows) * len(columns) == len(table.lines)
    assert [len(row.split("\t")) for row in table.text.split("\n")] == [len(columns)] * len(rows)


def test_a_drop_capital_is_part_of_its_word_but_not_of_its_line() -> None:
    paragraph = page(drop_capital=True).truth.of_kind(RegionKind.PARAGRAPH)[0]
    first, second = paragraph.lines[:2]
    assert first.words[0].box.bottom > second.box.y + second.box.height // 2
    assert first.box.bottom <= second.box.centre_y


def test_a_spread_has_a_gutter_off_the_middle_and_a_page_on_each_side() -> None:
    truth = page(sheet=Sheet.SPREAD, gutter=0.05, page_number="bottom").truth
    assert truth.geometry.gutter is not None
    (upper, _), (lower, _) = truth.geometry.gutter
    assert upper == pytest.approx(lower)
    assert upper > 0.51 * truth.width
    numbers = [int(region.text) for region in truth.of_kind(RegionKind.PAGE_NUMBER)]
    assert numbers == [numbers[0], numbers[0] + 1]
    assert numbers[0] % 2 == 0
    assert all(region.box.right < upper for region in truth.leaf(0))
    assert all(region.box.x > upper for region in truth.leaf(1))
    assert text_of([*truth.leaf(0), *truth.leaf(1)]) == truth.text


def test_a_plate_over_both_pages_crosses_the_gutter() -> None:
    truth = page(sheet=Sheet.SPREAD_PLATE).truth
    assert truth.geometry.gutter is not None
    (image,) = truth.of_kind(RegionKind.IMAGE)
    assert image.box.x < truth.geometry.gutter[0][0] < image.box.right


def test_a_fold_out_is_wide_and_has_no_gutter() -> None:
    truth = page(sheet=Sheet.FOLD_OUT).truth
    (image,) = truth.of_kind(RegionKind.IMAGE)
    assert truth.geometry.gutter is None
    assert image.box.width > image.box.height
    assert image.box.x < truth.width / 2 < image.box.right


def test_the_typeface_has_all_letters_of_all_languages() -> None:
    missing = bytes(fonts.antiqua(40).getmask("\u0530"))
    for language in LANGUAGES.values():
        texts = [
            language.prose,
            language.page,
            language.terms_head,
            *(" ".join(stanza) for stanza in language.verse),
        ]
        texts += [*language.titles, *language.captions, *language.remarks, *language.terms, *language.column_heads]
        for letter in sorted(set("".join(texts)) - set(" \n")):
            assert bytes(fonts.antiqua(40).getmask(letter)) != missing, (language.code, letter)


def test_fraktur_has_the_long_s_within_words(monkeypatch: pytest.MonkeyPatch) -> None:
    # Any font will do: Fraktur is not installed everywhere.
    monkeypatch.setattr(setting, "fraktur", fonts.antiqua)
    words = page(language="de", typeface="fraktur", heading=True).truth.text.split()
    assert any(LONG_S in word for word in words)
    assert any(word.endswith("s") for word in words)
    assert not [word for word in words if "s" in word[:-1] and word[word.index("s") + 1].isalpha()]


@pytest.mark.skipif(fonts.fraktur_file() is None, reason="no Fraktur typeface: apt-get install fonts-blankenburg")
def test_a_page_in_fraktur_is_printed_in_it() -> None:
    made = page(language="de", typeface="fraktur")
    assert made.truth.typeface == "fraktur"
    assert (made.ink > DARK).any()


def test_fraktur_without_its_font_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "fraktur_file", lambda: None)
    fonts.fraktur.cache_clear()
    with pytest.raises(SettingsError, match="apt-get install fonts-blankenburg"):
        page(typeface="fraktur")


@pytest.mark.parametrize(
    "transform",
    [
        Affine.rotation(7.0),
        Affine.shift(3.0, -4.5),
        Affine.quarter_turns(3, (40, 30)).then(Affine.rotation(-2.0)),
    ],
)
def test_a_transform_and_its_inverse_undo_each_other(transform: Affine) -> None:
    points = ((0.0, 0.0), (12.0, 7.5), (-3.0, 40.0))
    back = transform.inverse.points(transform.points(points))
    assert np.allclose(back, points)
    assert np.allclose(transform.then(transform.inverse).coefficients, Affine().coefficients)


@pytest.mark.parametrize("turns", range(4))
def test_quarter_turns_move_points_as_they_move_pixels(turns: int) -> None:
    ink = np.zeros((20, 30), np.uint8)
    ink[4, 7] = 255
    ((row, column),) = np.argwhere(np.rot90(ink, -turns))
    assert Affine.quarter_turns(turns, (30, 20)).point(7.5, 4.5) == (column + 0.5, row + 0.5)


def test_a_picture_is_moved_as_its_points_are() -> None:
    ink = np.zeros((60, 80), np.uint8)
    ink[20:24, 30:34] = 255
    transform = Affine.rotation(5.0).then(Affine.shift(10.0, 3.0))
    moved = transform.picture(ink, (100, 90)).astype(float)
    rows, columns = np.indices(moved.shape)
    middle = ((columns * moved).sum() / moved.sum() + 0.5, (rows * moved).sum() / moved.sum() + 0.5)
    assert middle == pytest.approx(transform.point(32.0, 22.0), abs=0.1)


def test_curl_lowers_points_as_it_lowers_pixels() -> None:
    curl = Curl(6.0, 80.0, 20.0)
    ink = np.zeros((60, 80), np.uint8)
    ink[20:24, 70:74] = 255
    rows = np.indices(ink.shape)[0]
    lowered = curl.picture(ink).astype(float)
    (_, y), *_ = curl.points(((72.0, 22.0), (72.0, 22.0), (72.0, 22.0)))
    assert y > 25
    assert (rows * lowered).sum() / lowered.sum() + 0.5 == pytest.approx(y, abs=0.2)


def test_command_writes_pictures_with_truth_and_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["truth_pages", str(tmp_path), "--seeds", "3"])
    command.main()
    truth = json.loads((tmp_path / "page_0000003.json").read_text(encoding="utf-8"))
    with Image.open(tmp_path / "page_0000003.png") as image:
        assert image.size == (truth["width"], truth["height"])
    assert (tmp_path / "page_0000003.txt").read_text(encoding="utf-8") == f"{truth['text']}\n"
    assert [region["reading_order"] for region in truth["regions"]] == list(range(1, len(truth["regions"]) + 1))


def test_command_refuses_seeds_that_are_not_a_range(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["truth_pages", "pages", "--seeds", "9-3"])
    with pytest.raises(SystemExit):
        command.main()
    assert "not 9-3" in capsys.readouterr().err

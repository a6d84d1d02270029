"""The size of the print on a page, as it is measured before lines are looked for."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from worker.ocr.engines.rapid.detection import _tiles
from worker.ocr.engines.rapid.print_size import x_height

TEXT = "some men are moved by unseen winds across a sea so vast"


def printed(size: int, lines: int = 8) -> Image.Image:
    page = Image.new("L", (1200, 1000), 235)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size)
    for number in range(lines):
        pen.text((60, 60 + 2 * size * number), TEXT, fill=30, font=font)
    return page


def drawn_x_height(size: int) -> int:
    left, top, right, bottom = ImageFont.load_default(size).getbbox("x")
    assert right > left
    return round(bottom - top)


@pytest.mark.parametrize("size", [16, 24, 40])
def test_the_height_of_small_letters_is_measured(size: int) -> None:
    measured = x_height(np.asarray(printed(size)))

    assert measured == pytest.approx(drawn_x_height(size), rel=0.15)


def test_a_dark_bed_and_specks_do_not_change_the_size_of_the_print() -> None:
    page = printed(30)
    bed = Image.new("L", (1400, 1400), 40)
    bed.paste(page, (100, 200))
    pixels = np.array(bed)
    rng = np.random.default_rng(1)
    rows, columns = rng.integers(210, 1190, 2000), rng.integers(110, 1290, 2000)
    pixels[rows, columns] = 20

    assert x_height(pixels) == pytest.approx(x_height(np.asarray(page)), rel=0.15)


def test_small_print_is_measured_beside_a_title_and_a_picture() -> None:
    page = printed(24, lines=4)
    pen = ImageDraw.Draw(page)
    pen.text((60, 400), "LEAFMARK", fill=30, font=ImageFont.load_default(180))
    pen.ellipse((300, 640, 800, 960), fill=30)

    assert x_height(np.asarray(page)) == pytest.approx(drawn_x_height(24), rel=0.15)


@pytest.mark.parametrize(("small", "measured"), [(14, 14), (26, 30)])
def test_smaller_print_counts_only_where_it_is_much_smaller(small: int, measured: int) -> None:
    page = printed(30, lines=6)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(small)
    for number in range(8):
        pen.text((60, 500 + 2 * small * number), TEXT, fill=30, font=font)

    assert x_height(np.asarray(page)) == pytest.approx(drawn_x_height(measured), rel=0.08)


def test_a_blank_page_and_a_page_of_a_few_letters_have_no_size_of_print() -> None:
    assert x_height(np.full((800, 600), 235, np.uint8)) is None
    few = Image.new("L", (600, 800), 235)
    ImageDraw.Draw(few).text((60, 60), "Finis", fill=30, font=ImageFont.load_default(30))
    assert x_height(np.asarray(few)) is None


@pytest.mark.parametrize("length", [1, 1088, 1089, 5000, 9000])
def test_tiles_cover_a_side_once_and_are_no_longer_than_the_network_takes(length: int) -> None:
    tiles = _tiles(length)

    assert [number for start, end in tiles for number in range(start, end)] == list(range(length))
    assert max(end - start for start, end in tiles) <= (1088 if len(tiles) == 1 else 1088 - 2 * 64)

"""Where words are: RapidOCR's against the places at which they were drawn, and the parts that find them."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from worker.ocr.boxes import Box
from worker.ocr.engines.base import OcrLine
from worker.ocr.engines.rapid.engine import RapidOcr
from worker.ocr.engines.rapid.places import Place, Span, find_places
from worker.ocr.engines.rapid.recognition import _words, as_printed

Edges = tuple[float, float, float, float]
"""Left, top, right and bottom."""

PROSE = """\
Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: once or
twice she had peeped into the book her sister was reading, but it had no pictures or conversations in it, “and what
is the use of a book,” thought Alice “without pictures or conversations?” So she was considering whether the
pleasure of making a daisy-chain would be worth the trouble of getting up and picking the daisies."""
SIZE = (1000, 520)
PAPER = 235


def drawn() -> tuple[Image.Image, list[tuple[str, Edges]]]:
    """A page of prose, and each of its words with the edges of its ink."""
    page = Image.new("L", SIZE, PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(30)
    x, y, words = 80.0, 70.0, []
    for word in PROSE.split():
        if x + pen.textlength(word, font) > SIZE[0] - 80:
            x, y = 80.0, y + 42
        pen.text((x, y), word, 30, font)
        words.append((word, pen.textbbox((x, y), word, font)))
        x += pen.textlength(f"{word} ", font)
    return page, words


def rotated(edges: Edges, degrees: float) -> Edges:
    """The upright box around a box on a page that `Image.rotate` turned."""
    left, top, right, bottom = edges
    angle = math.radians(-degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = np.array(SIZE) / 2
    corners = (np.array([(left, top), (right, top), (right, bottom), (left, bottom)]) - centre) @ turn.T + centre
    return (*corners.min(axis=0), *corners.max(axis=0))


def overlap(one: Edges, box: Box) -> float:
    """The area of the intersection as a share of that of the union."""
    left, top, right, bottom = one
    width = min(right, box.right) - max(left, box.x)
    height = min(bottom, box.bottom) - max(top, box.y)
    both = max(width, 0.0) * max(height, 0.0)
    return both / ((right - left) * (bottom - top) + box.width * box.height - both)


@cache
def read(degrees: float) -> Sequence[OcrLine]:
    page = drawn()[0].rotate(degrees, Image.Resampling.BICUBIC, expand=degrees % 90 == 0, fillcolor=PAPER)
    return RapidOcr().recognise(page)


@pytest.mark.parametrize("degrees", [0, 2])
def test_the_words_of_rapidocr_are_where_they_were_drawn(degrees: int) -> None:
    found = [word for line in read(degrees) for word in line.words]
    places = [(text, rotated(edges, degrees)) for text, edges in drawn()[1]]

    overlaps = [max(overlap(edges, word.bbox) for word in found) for _, edges in places]

    assert len(found) == len(places)
    assert sum(share >= 0.5 for share in overlaps) >= 0.95 * len(overlaps)
    assert np.mean(overlaps) > 0.8


@pytest.mark.parametrize("degrees", [0, 2, -90])
def test_the_words_of_a_line_are_its_text(degrees: int) -> None:
    lines = read(degrees)

    assert lines
    for line in lines:
        assert [word.text for word in line.words] == line.text.split()
        assert all(0.5 < word.confidence <= 1 for word in line.words)


def test_a_skewed_line_has_the_slope_of_the_print() -> None:
    longest = max(read(2), key=lambda line: line.bbox.width)

    assert longest.baseline is not None
    for (left, top), (right, bottom) in (longest.baseline, longest.outline[:2]):
        assert math.degrees(math.atan2(bottom - top, right - left)) == pytest.approx(-2, abs=0.4)


def test_letters_stand_on_the_baseline() -> None:
    font = ImageFont.load_default(30)
    first = min(read(0), key=lambda line: line.bbox.y)

    assert first.baseline is not None
    assert [y for _, y in first.baseline] == pytest.approx([70 + font.getmetrics()[0]] * 2, abs=3)


def test_a_line_that_runs_downwards_is_read_from_its_top() -> None:
    """It is turned to the left to be read: its upper left corner is the upper right one on the page."""
    lines = read(-90)
    first = max(lines, key=lambda line: line.bbox.x)

    (start_x, start_y), (end_x, end_y) = first.outline[:2]
    tops = [word.bbox.y for word in first.words]

    assert first.text.startswith("Alice was")
    assert (start_x, start_y) == (pytest.approx(first.bbox.right, abs=2), pytest.approx(first.bbox.y, abs=2))
    assert (end_x, end_y) == (pytest.approx(first.bbox.right, abs=2), pytest.approx(first.bbox.bottom, abs=2))
    assert tops == sorted(tops)
    assert all(first.bbox.x <= word.bbox.x < word.bbox.right <= first.bbox.right for word in first.words)


@given(st.lists(st.sampled_from(["a", "\u017f", "\ufb01", "—", "”", "中", " ", "\u3000"])))
def test_words_are_the_text_divided_at_its_spaces(characters: list[str]) -> None:
    words = ["".join(characters[word]) for word in _words(characters)]

    assert words == "".join(characters).split()


def line_of_bars(*bars: Edges) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A line image 200 pixels long with black bars."""
    line = np.full((48, 200, 3), PAPER, np.uint8)
    for left, top, right, bottom in bars:
        line[int(top) : int(bottom), int(left) : int(right)] = 20
    return line


def test_the_widest_gap_between_two_words_divides_them() -> None:
    line = line_of_bars((10, 16, 30, 36), (33, 10, 50, 36), (70, 16, 90, 40), (94, 16, 120, 36))

    words, baseline = find_places(line, [Span(22, 40), Span(82, 110)], advance=20)

    assert words == [Place(10, 10, 50, 36), Place(70, 16, 120, 40)]
    assert baseline == 36


def test_words_that_touch_are_divided_in_the_middle() -> None:
    words, _ = find_places(line_of_bars((10, 16, 120, 36)), [Span(20, 40), Span(80, 110)], advance=20)

    assert words == [Place(10, 16, 60, 36), Place(60, 16, 120, 36)]


def test_specks_and_what_hangs_into_the_line_from_another_one_are_not_ink() -> None:
    line = line_of_bars((10, 16, 60, 36), (20, 0, 24, 6), (40, 44, 44, 48), (64, 20, 65, 21))

    [word], _ = find_places(line, [Span(20, 50)], advance=20)

    assert word == Place(10, 16, 60, 36)


def test_a_word_without_ink_has_the_height_of_its_line() -> None:
    [word], _ = find_places(line_of_bars(), [Span(60, 80)], advance=10)

    assert (word.top, word.bottom) == (0, 48)
    assert word.left < 60
    assert word.right > 80


def test_white_print_on_black_is_found() -> None:
    line = 255 - line_of_bars((10, 16, 60, 36))

    [word], _ = find_places(line, [Span(20, 50)], advance=20)

    assert word == Place(10, 16, 60, 36)


def test_the_corners_of_a_line_begin_at_its_top_left_as_it_is_read() -> None:
    flat = np.array([(0, 0), (90, 0), (90, 30), (0, 30)], np.float32)
    tall = np.array([(0, 0), (30, 0), (30, 90), (0, 90)], np.float32)

    assert as_printed(flat).tolist() == flat.tolist()
    assert as_printed(tall).tolist() == [[30, 0], [30, 90], [0, 90], [0, 0]]

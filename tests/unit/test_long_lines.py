"""Very long lines are read in pieces: where they are cut, and how what the pieces say is joined."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from worker.ocr.engines.rapid.engine import RapidOcr
from worker.ocr.engines.rapid.pieces import Characters, find_cuts, join, pieces_between

SENTENCE = "Some years ago, never mind how long precisely, I thought I would sail about a little. "


def line_of_words(width: int, *spaces: tuple[int, int]) -> NDArray[np.uint8]:
    """A line of letters 10 pixels wide and 4 apart, with spaces: their first columns and widths."""
    line = np.full((48, width, 3), 235, np.uint8)
    for left in range(0, width, 14):
        line[14:36, left : left + 10] = 20
    for left, length in spaces:
        line[:, left : left + length] = 235
    return line


def read(text: str, first: int = 0) -> Characters:
    """Characters 10 pixels apart, with a score of 0.9, or 0.8 for a space; at `_` none is read."""
    places = [place for place, each in enumerate(text) if each != "_"]
    scores = np.array([0.8 if text[place] == " " else 0.9 for place in places], np.float32)
    return Characters([text[place] for place in places], scores, first + 10.0 * np.array(places))


def test_a_line_of_an_ordinary_page_is_not_cut() -> None:
    assert find_cuts(line_of_words(3199, (1600, 30))) == []
    assert pieces_between([], 3199) == [(0, 3199)]


def test_a_very_long_line_is_cut_at_the_widest_spaces_near_equal_parts() -> None:
    spaces = [(700, 40), (1500, 20), (1700, 30), (3150, 24), (3300, 18), (4200, 40)]
    line = line_of_words(4800, *spaces)

    first, second = find_cuts(line)

    assert 1700 < first < 1730
    assert 3150 < second < 3174
    assert pieces_between([1715, 3162], 4800) == [(0, 1779), (1651, 3226), (3098, 4800)]


def test_a_line_without_spaces_is_not_cut() -> None:
    assert find_cuts(line_of_words(6000)) == []
    ruled = line_of_words(6000, (2000, 30))
    ruled[40:42] = 20
    assert find_cuts(ruled) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (read("one two"), read("two", first=40), "one two"),  # the space is read on both sides, or on one
        (read("one_tw"), read("e two", first=20), "one two"),
        (read("one tw"), read("e_two", first=20), "one two"),
        (read("one  two"), read("e  two", first=20), "one two"),
        (read("中文字"), read("文字体", first=10), "中文字体"),  # and in a script without spaces on none
        (read(""), read("two", first=40), "two"),
        (read("one"), read(""), "one"),
        (read("one "), read(""), "one"),
        (read(""), read(""), ""),
    ],
)
def test_pieces_are_joined_by_a_space_if_one_of_them_has_it(
    before: Characters, after: Characters, expected: str
) -> None:
    cut = 15 if "中" in expected else 35

    joined = join([before, after], [cut])

    assert "".join(joined.texts) == expected
    assert len(joined.scores) == len(joined.middles) == len(expected)
    assert list(joined.middles) == sorted(joined.middles)


def test_the_space_at_a_cut_keeps_its_score_and_stands_at_the_cut() -> None:
    joined = join([read("one two"), read("two", first=40)], [35])

    assert joined.scores[3] == pytest.approx(0.8)
    assert joined.middles[3] == 35


def drawn_line(text: str) -> Image.Image:
    font = ImageFont.load_default(36)
    page = Image.new("L", (round(font.getlength(text)) + 120, 120), 235)
    ImageDraw.Draw(page).text((60, 30), text, fill=30, font=font)
    return page


def test_a_very_long_line_is_read_whole_with_each_word_in_its_place() -> None:
    text = (SENTENCE * 4).strip()
    page = drawn_line(text)

    [line] = RapidOcr().recognise(page)

    assert page.width > 4800
    assert line.text == text
    assert [word.text for word in line.words] == text.split()
    assert all(one.bbox.right <= other.bbox.x for one, other in pairwise(line.words))
    font = ImageFont.load_default(36)
    starts = [60 + font.getlength(text[: text.index("sail", at)]) for at in (0, 200)]
    found = [word.bbox.x for word in line.words if word.text == "sail"]
    assert [found[0], found[2]] == pytest.approx(starts, abs=8)

"""Large initials at the beginning of a paragraph, from boxes alone: lines 20 pixels high, 26 apart."""

import pytest

from worker.ocr.boxes import Box
from worker.ocr.engines.base import OcrLine, OcrWord
from worker.ocr.layout.regions import Region, arrange

PAGE = (1000, 1400)


def line(text: str, x: int, y: int, right: int = 900) -> OcrLine:
    """A line of words of the same width."""
    texts = text.split()
    width = (right - x) // len(texts)
    words = tuple(OcrWord(word, 0.9, Box(x + width * place, y, width - 10, 20)) for place, word in enumerate(texts))
    return OcrLine(text, 0.9, Box(x, y, right - x, 20), words)


def initial(letter: str, lines: int = 2) -> OcrLine:
    box = Box(100, 300, 60, 26 * lines - 6)
    return OcrLine(letter, 0.9, box, (OcrWord(letter, 0.9, box),))


def beside(first: str, *others: str) -> list[OcrLine]:
    """Lines beside an initial, and those below it."""
    indented = [line(text, 170, 300 + 26 * row) for row, text in enumerate([first, *others])]
    top = 300 + 26 * len(indented)
    return [*indented, *(line(f"and so on {row}", 100, top + 26 * row) for row in range(4))]


def first_line(lines: list[OcrLine]) -> OcrLine:
    (region,) = arrange(lines, [], PAGE)
    assert [word.text for word in region.lines[0].words] == region.lines[0].text.split()
    return region.lines[0]


@pytest.mark.parametrize(
    ("letter", "text", "joined"),
    [
        ("C", "all me Ishmael", "Call me Ishmael"),
        ("O", "NCE there was", "ONCE there was"),
        ("L", "'an dernier", "L'an dernier"),
        ("I", "t was a whale", "It was a whale"),
        ("I", "was a whale", "I was a whale"),
        ("A", "man at sea", "A man at sea"),
        ("“D", "a fing sie", "“Da fing sie"),
    ],
)
def test_an_initial_is_joined_to_the_word_it_begins(letter: str, text: str, joined: str) -> None:
    assert first_line([initial(letter), *beside(text, "and some years ago")]).text == joined


def test_the_box_of_a_joined_word_has_its_initial_and_that_of_the_paragraph_too() -> None:
    (region,) = arrange([initial("C", 3), *beside("all me Ishmael", "Some years ago", "having")], [], PAGE)

    assert region.lines[0].words[0].bbox[:2] == region.bbox[:2] == (100, 300)
    assert region.lines[0].words[0].bbox.height == 72
    assert len(region.lines) == 7


def test_an_initial_that_was_read_into_the_second_line_begins_the_first() -> None:
    first, second, *others = beside("all me Ishmael", "Some years ago")
    letter = initial("C").words[0]
    merged = OcrLine(f"C {second.text}", 0.9, Box.around((letter.bbox, second.bbox)), (letter, *second.words))

    (region,) = arrange([first, merged, *others], [], PAGE)

    assert region.text.split("\n")[:2] == ["Call me Ishmael", "Some years ago"]


def test_lines_beside_an_initial_that_was_not_read_are_one_paragraph_and_have_no_letter_more() -> None:
    found: list[Region] = arrange(beside("all me Ishmael", "Some years ago"), [], PAGE)

    assert [region.text.split("\n")[0] for region in found] == ["all me Ishmael"]


def test_a_tall_letter_without_lines_beside_it_stays_a_line() -> None:
    lines = [initial("C"), *(line(f"and so on {row}", 100, 400 + 26 * row) for row in range(4))]

    assert arrange(lines, [], PAGE)[0].text == "C"

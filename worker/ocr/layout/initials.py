"""Joins a large initial to the word that it begins: engines read it as a line of its own, or in the wrong line.

Only letters that were read are joined. An ornamental initial that was not read leaves its word without it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from worker.ocr.boxes import Box
from worker.ocr.engines.base import OcrLine, OcrWord
from worker.ocr.layout.cut_lines import cut_line
from worker.ocr.layout.rows import Measures, rows_of
from worker.ocr.layout.straight import Line, straightened

_TALL = 1.5
"""Minimum height of an initial, in line heights."""
_TALLER = 1.6
"""Minimum height of an initial that was read into a line, as a multiple of that of the line's other words."""
_BESIDE = 1.5
"""Maximum distance of the lines beside an initial from it, in line heights."""
_REACH = 0.3
"""By how much lines beside an initial may reach over its sides, in line heights."""
_FEWEST_LINES = 2
_AMBIGUOUS = {"A": 2, "I": 0}
"""Letters that are also words, with the maximum length of the rest of a word that has a vowel: `A lice` and `I was`
look the same."""
_VOWELS = re.compile("[aeiouyäöüàâéèêëîïôûœæ]", re.IGNORECASE)
_APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"


@dataclass(frozen=True, slots=True)
class _Initial:
    """An initial: its word, its place on the straightened page, the line with it, and the rest of that line."""

    word: OcrWord
    bbox: Box
    line: Line
    rest: Line | None


def join_initials(lines: Sequence[Line], skew: float, measures: Measures) -> list[Line]:
    """Return the lines with each initial in the first of the lines beside it.

    These lines begin at the left side of the initial, so that they are not taken for a paragraph with an indent.

    Args:
        lines: of a page, straightened.
        skew: of the page, in degrees.
        measures: of the page.
    """
    joined = list(lines)
    for initial in _initials(lines, skew, measures):
        others = [line for line in joined if line is not initial.line]
        if len(others) == len(joined):
            continue  # it is beside another one
        if initial.rest:
            others.append(initial.rest)
        beside = [line for line in others if _is_beside(line, initial, measures)]
        rows = rows_of(beside)
        if len(rows) < _FEWEST_LINES or rows[0][0].bbox.centre_y > initial.bbox.centre_y:
            continue
        taken = set(map(id, beside))
        first = rows[0][0]
        joined = [line for line in others if id(line) not in taken]
        joined += [_begun(line, initial) if line is first else _widened(line, initial) for line in beside]
    return joined


def _initials(lines: Sequence[Line], skew: float, measures: Measures) -> Iterator[_Initial]:
    for line in lines:
        words = line.item.words
        if not words or not _is_one_capital(words[0].text):
            continue
        if len(words) == 1:
            initial, rest = line.bbox, None
        elif line.words:
            if words[0].bbox.height < _TALLER * max(word.bbox.height for word in words[1:]):
                continue
            letter, after = cut_line(line, (line.words[0][1] + line.words[1][0]) / 2)
            initial = Box(letter.bbox.x, line.bbox.y, letter.bbox.width, line.bbox.height)
            (rest,) = straightened([_without_initial(line.item, after.item)], skew)
        else:
            continue
        if initial.height >= _TALL * measures.line_height:
            yield _Initial(words[0], initial, line, rest)


def _is_one_capital(text: str) -> bool:
    letters = [character for character in text if character.isalnum()]
    return len(letters) == 1 and letters[0].isupper() and text.endswith(letters[0])


def _without_initial(line: OcrLine, after: object) -> OcrLine:
    """Return what is beside an initial, as high as its words."""
    rest = after if isinstance(after, OcrLine) else line
    return replace(rest, bbox=Box.around(word.bbox for word in rest.words), polygon=None)


def _is_beside(line: Line, initial: _Initial, measures: Measures) -> bool:
    reach, box = _REACH * measures.line_height, initial.bbox
    return (
        box.right - reach <= line.bbox.x <= box.right + _BESIDE * measures.line_height
        and box.y - reach <= line.bbox.centre_y <= box.bottom + reach
    )


def _widened(line: Line, initial: _Initial) -> Line:
    box = Box.from_corners(initial.bbox.x, line.bbox.y, line.bbox.right, line.bbox.bottom)
    return replace(line, bbox=box)


def _begun(line: Line, initial: _Initial) -> Line:
    """Return a line that begins with an initial. Its polygon leaves the initial out, which reaches far below."""
    item, letter = line.item, initial.word
    together = _are_one_word(letter.text, item.text)
    text = letter.text + item.text if together else f"{letter.text} {item.text}"
    words: tuple[OcrWord, ...] = ()
    ends: tuple[tuple[float, float], ...] = ()
    if item.words:
        first, *others = item.words
        if together:
            box = Box.around((letter.bbox, first.bbox))
            confidence = min(letter.confidence, first.confidence)
            words = (OcrWord(letter.text + first.text, confidence, box), *others)
        else:
            words = (letter, *item.words)
    if line.words:
        start = float(initial.bbox.x)
        ends = (
            ((start, line.words[0][1]), *line.words[1:]) if together else ((start, initial.bbox.right), *line.words)
        )
    begun = replace(item, text=text, bbox=Box.around((letter.bbox, item.bbox)), words=words, polygon=item.outline)
    return replace(_widened(line, initial), item=begun, words=ends)


def _are_one_word(letter: str, text: str) -> bool:
    """Return whether a line goes on with the word of an initial; in doubt about `A` and `I` it does not."""
    rest = text.split(maxsplit=1)[0]
    if not (rest[0].isalpha() or rest[0] in _APOSTROPHES):
        return False
    letters = "".join(filter(str.isalpha, rest))
    if letters[:1].isupper() and not letters.isupper():
        return False
    longest = _AMBIGUOUS.get(letter[-1])
    return longest is None or not _VOWELS.search(letters) or len(letters) <= longest

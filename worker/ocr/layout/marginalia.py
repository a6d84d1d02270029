"""Takes the notes in the side margins out of the text: short lines beside everything else on the page.

One line of a note, beside a line of the text, would otherwise be read as the beginning or the end of that.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from worker.ocr.boxes import Picture
from worker.ocr.layout.margins import PAGE_NUMBER
from worker.ocr.layout.paragraphs import Paragraph
from worker.ocr.layout.rows import Measures, joined, rows_of
from worker.ocr.layout.straight import Line, Placed

_STEP = 0.25
"""Width of the strips in which lines are counted, in line heights."""
_FEW = 0.3
"""Maximum number of lines over any strip of a margin, as a share of those over the fullest one."""
_FEWEST_LINES = 5
"""Minimum number of lines over a strip of the text; a page with fewer has no margin that shows."""
_APART = 0.4
"""Minimum distance of a note from the text, in line heights."""
_NARROW = 0.5
"""Maximum width of a note, as a share of that of the text."""
_SHORTER = 0.3
"""Maximum length of all notes together, as a share of the text of the page."""
_FEWEST_CHARACTERS = 3
"""Shorter ones are initials and numbers of verses, of paragraphs and of items in a list."""
_SECTION_NUMBER = re.compile(r"§?\s?\d+(?:\.\d+)+\.?")
"""Beside a heading."""
_GAP = 1.8
"""Minimum distance from one note to the next, in line heights."""


def take_marginalia(
    lines: Sequence[Line], pictures: Sequence[Placed[Picture]], measures: Measures
) -> tuple[list[Line], list[Paragraph]]:
    """Return the lines of the text, and the notes beside it, downwards.

    Args:
        lines: of a page, straightened.
        pictures: of the page, straightened; the place of a picture is not a margin.
        measures: of the page.
    """
    sides = _sides_of_text(lines, pictures, measures)
    if sides is None:
        return list(lines), []
    left, right = sides
    apart, widest = _APART * measures.line_height, _NARROW * (right - left)
    inside = [line for line in lines if line.bbox.x < right + apart and line.bbox.right > left - apart]
    if not inside:  # what is not a margin is a picture
        return list(lines), []
    # Page numbers may be in the side margin too, beside the running head or below the text.
    top, bottom = min(line.bbox.bottom for line in inside), max(line.bbox.y for line in inside)
    beside = [
        line
        for line in lines
        if (line.bbox.right <= left - apart or line.bbox.x >= right + apart)
        and line.bbox.width <= widest
        and len(line.item.text) >= _FEWEST_CHARACTERS
        and not _SECTION_NUMBER.fullmatch(line.item.text)
        and (top < line.bbox.centre_y < bottom or not PAGE_NUMBER.fullmatch(line.item.text))
    ]
    if sum(len(line.item.text) for line in beside) > _SHORTER * sum(len(line.item.text) for line in lines):
        return list(lines), []
    taken = set(map(id, beside))
    at_left = [line for line in beside if line.bbox.x < left]
    at_right = [line for line in beside if line.bbox.x >= left]
    notes = [note for side in (at_left, at_right) for note in _notes(side, measures)]
    return [line for line in lines if id(line) not in taken], notes


def _sides_of_text(
    lines: Sequence[Line], pictures: Sequence[Placed[Picture]], measures: Measures
) -> tuple[float, float] | None:
    """Return the left and the right side of what is not a margin, in pixels; None if there is little text."""
    if not lines:
        return None
    step = _STEP * measures.line_height
    boxes = [line.bbox for line in lines] + [picture.bbox for picture in pictures]
    starts = np.array([round(box.x / step) for box in boxes])
    ends = np.array([round(box.right / step) for box in boxes])
    as_lines = np.array([1.0] * len(lines) + [each.bbox.height / measures.line_distance for each in pictures])
    first = starts.min()
    count = np.zeros(ends.max() - first + 2)
    np.add.at(count, starts - first, as_lines)
    np.add.at(count, ends - first, -as_lines)
    over = np.cumsum(count)
    if over.max() < _FEWEST_LINES:
        return None
    text = np.flatnonzero(over > _FEW * over.max())
    return float((text[0] + first) * step), float((text[-1] + 1 + first) * step)


def _notes(lines: Sequence[Line], measures: Measures) -> Iterator[Paragraph]:
    """Yield the notes of one margin."""
    rows = [joined(row) for row in rows_of(lines)]
    note = rows[:1]
    for row in rows[1:]:
        if row.bbox.centre_y - note[-1].bbox.centre_y > _GAP * measures.line_height:
            yield Paragraph(note)
            note = []
        note.append(row)
    if note:
        yield Paragraph(note)

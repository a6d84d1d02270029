"""Tells notes from running text: footnotes below it and marginalia beside it, by their place and their size."""

from collections.abc import Callable, Sequence

from worker.ocr.boxes import Box
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.region_types import RegionType
from worker.ocr.layout.straight import Placed

_SMALL = 0.9
"""Maximum width of a letter of a footnote, as a share of that of the text."""
_LOWER = 0.93
"""Maximum height of a footnote of one line, as a share of that of the lines of the text."""
_LOWER_PART = 0.4
"""Footnotes begin below this share of the height of the text."""
_NARROW = 0.4
"""Maximum width of a marginal note, as a share of that of ordinary paragraphs."""
_SHORTER = 0.3
"""Maximum length of all marginal notes together, as a share of the text of the page."""

Paragraph = Sequence[Placed[OcrLine]]


def note_types(columns: Sequence[Sequence[Paragraph]]) -> list[list[RegionType]]:
    """Return for each paragraph of each column whether it is body text, a footnote or a marginal note.

    Args:
        columns: paragraphs of columns in reading order, straightened; each paragraph has at least one line.
    """
    paragraphs = [paragraph for column in columns for paragraph in column]
    if not paragraphs:
        return [[] for _ in columns]
    boxes = {id(paragraph): _box(paragraph) for paragraph in paragraphs}
    # Not the widest: headings and footnotes are wider than the columns between them.
    usual = _middle(paragraphs, lambda paragraph: _box(paragraph).width)
    main = Box.around(box for box in boxes.values() if box.width > _NARROW * usual)
    beside = [paragraph for paragraph in paragraphs if _is_beside(boxes[id(paragraph)], main, usual)]
    if sum(map(_length, beside)) > _SHORTER * sum(map(_length, paragraphs)):
        beside = []
    marginal = {id(paragraph) for paragraph in beside}
    text = [paragraph for paragraph in paragraphs if id(paragraph) not in marginal]
    small, height = _SMALL * _middle(text, _letter), _middle(text, _height)
    lower = main.y + _LOWER_PART * main.height
    types = []
    for column in columns:
        kinds = [RegionType.MARGINALIA if id(each) in marginal else RegionType.BODY for each in column]
        for place in range(len(column) - 1, -1, -1):
            if kinds[place] is RegionType.BODY:
                is_small = _letter(column[place]) <= small and not _is_loose_line(column[place], height)
                if not is_small or boxes[id(column[place])].y < lower:
                    break
                kinds[place] = RegionType.FOOTNOTE
        types.append(kinds)
    return types


def _box(paragraph: Paragraph) -> Box:
    return Box.around(line.bbox for line in paragraph)


def _length(paragraph: Paragraph) -> int:
    return sum(len(line.item.text) for line in paragraph)


def _letter(paragraph: Paragraph) -> float:
    """Return the mean width of a letter, in pixels."""
    return sum(line.bbox.width for line in paragraph) / _length(paragraph)


def _height(paragraph: Paragraph) -> float:
    """Return the mean height of a line, in pixels."""
    return sum(line.bbox.height for line in paragraph) / len(paragraph)


def _is_loose_line(paragraph: Paragraph, height: float) -> bool:
    """Return whether a paragraph is one line that is as high as the text, and does not begin with a mark.

    The letters of such a line may be narrow by chance, or because its spaces are.
    """
    return len(paragraph) == 1 and _height(paragraph) > _LOWER * height and paragraph[0].item.text[:1].isalpha()


def _middle(paragraphs: Sequence[Paragraph], measure: Callable[[Paragraph], float]) -> float:
    """Return the measure of the paragraph with the middle letter, when they are ordered by that measure."""
    ordered = sorted(paragraphs, key=measure)
    half, passed = sum(map(_length, ordered)) / 2, 0
    for paragraph in ordered:
        passed += _length(paragraph)
        if passed >= half:
            return measure(paragraph)
    return 0.0


def _is_beside(box: Box, main: Box, usual: float) -> bool:
    inner = box.width // 4
    outside = box.right - inner <= main.x or box.x + inner >= main.right
    return (
        box.width <= _NARROW * usual and outside and main.y - box.height < box.centre_y < main.bottom + box.height
    )

"""Checks that the text of a page is plausible, by what every engine gives: boxes, texts and confidences of lines.

They use no language model and no dictionary: a page is doubtful only if its text cannot be right in any language.
The thresholds were measured on pages that were read well, on turned pages and on unknown scripts; the figures are
in benchmarks/results/plausibility-2026-11-26.md.
"""

from collections.abc import Iterator, Sequence

from checkpointing.page_records import Doubt
from worker.ocr.confidence import mean_confidence
from worker.ocr.engines.base import OcrLine

_FEWEST_CHARACTERS = 8
"""With fewer characters, specks on a plate that were read as letters would decide."""
_FEWEST_CHARACTERS_OF_A_LINE = 3
"""A page number or a lone letter is taller than wide on any page."""
_SHORTEST_LINE = 4.0
"""In line heights; a shorter line may be a mark, a numeral or a part of a picture."""
_FEWEST_CHARACTERS_A_HEIGHT = 0.5
"""Characters for each stretch as long as the line is high: print has at least 1.4, Chinese 1."""
_FEWEST_UNREAD_LINES = 3


def doubts_about(lines: Sequence[OcrLine], minimum_confidence: float) -> Iterator[Doubt]:
    """Yield why the text of a page is implausible.

    Args:
        lines: of the engine, including those without text.
        minimum_confidence: mean confidence over all characters, below which the engine guesses.
    """
    read = [line for line in lines if line.text]
    characters = _length(read)
    confidence = mean_confidence(read)
    if characters >= _FEWEST_CHARACTERS and confidence < minimum_confidence:
        yield Doubt(
            kind="low_confidence",
            message=f"low confidence: {confidence:.2f} on average over {characters} characters",
        )
    words = [line for line in read if len(line.text) >= _FEWEST_CHARACTERS_OF_A_LINE]
    upright = [line for line in words if line.bbox.height > line.bbox.width]
    if _length(words) >= _FEWEST_CHARACTERS and 2 * _length(upright) > _length(words):
        yield Doubt(
            kind="upright_lines",
            message=f"{len(upright)} of {len(words)} lines are taller than wide: the page may lie on its side",
        )
    long = [line for line in lines if _heights(line) >= _SHORTEST_LINE]
    unread = [line for line in long if _characters_a_height(line) < _FEWEST_CHARACTERS_A_HEIGHT]
    if len(unread) >= _FEWEST_UNREAD_LINES and 2 * len(unread) > len(long):
        yield Doubt(
            kind="unread_ink",
            message=f"hardly any text in {len(unread)} of {len(long)} lines: the engine may not know the script",
        )


def _length(lines: Sequence[OcrLine]) -> int:
    return sum(len(line.text) for line in lines)


def _heights(line: OcrLine) -> float:
    """Return the length of a line in its own heights, in whichever direction it runs."""
    return max(line.bbox.width, line.bbox.height) / max(1, min(line.bbox.width, line.bbox.height))


def _characters_a_height(line: OcrLine) -> float:
    return sum(not character.isspace() for character in line.text) / _heights(line)

"""How sure an engine is of the text that it read."""

from collections.abc import Iterable

from worker.ocr.engines.base import OcrLine


def mean_confidence(lines: Iterable[OcrLine]) -> float:
    """Return the mean confidence over all characters of lines, from 0 to 1; 1 if there are none."""
    read = list(lines)
    characters = sum(len(line.text) for line in read)
    return sum(line.confidence * len(line.text) for line in read) / characters if characters else 1.0

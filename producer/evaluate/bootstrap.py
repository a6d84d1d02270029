"""Intervals for the rates of a book: how much they would vary if other pages of its kind had been measured.

The percentile bootstrap over pages (B. Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of
Statistics 7, 1979): as many pages are drawn with replacement as were measured, and the rate of each draw is taken.
Pages and not characters are drawn, because the errors of one page depend on each other.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from producer.evaluate.measure import Counts

RESAMPLES = 1000
SEED = 1
LEVEL = 0.95
_MIN_PAGES = 2

Interval = tuple[float, float]
"""Lower and upper end."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """The interval of each rate of `Counts`; None where it cannot be known, as from a single page."""

    cer: Interval | None = None
    wer: Interval | None = None
    word_recall: Interval | None = None
    word_order: Interval | None = None


def intervals(pages: Sequence[Counts]) -> Intervals:
    """Return the intervals of a book's rates. The same pages always give the same intervals.

    Args:
        pages: the counts of each page.
    """
    if len(pages) < _MIN_PAGES:
        return Intervals()
    counts = np.array([astuple(page) for page in pages], dtype=np.int64)
    generator = np.random.Generator(np.random.PCG64(SEED))
    sums = np.empty((RESAMPLES, counts.shape[1]))
    # One draw at a time: all together would take memory for pages times draws.
    for draw in sums:
        draw[:] = counts[generator.integers(len(pages), size=len(pages))].sum(axis=0)
    characters, character_errors, words, word_errors, recalled, ordered = sums.T
    return Intervals(
        cer=_interval(character_errors, characters),
        wer=_interval(word_errors, words),
        word_recall=_interval(recalled, words),
        word_order=_interval(ordered, recalled),
    )


def _interval(
    parts: "np.ndarray[tuple[int], np.dtype[np.float64]]", wholes: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> Interval | None:
    some = wholes > 0
    if not some.any():
        return None
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(parts[some] / wholes[some], [tail, 100 - tail])
    return float(low), float(high)

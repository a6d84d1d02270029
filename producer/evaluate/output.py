"""Format an evaluation, as lines for people and as JSON for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from checkpointing.money import dollars
from checkpointing.plurals import counted
from producer.evaluate.bootstrap import LEVEL, RESAMPLES, SEED, Interval, Intervals
from producer.evaluate.measure import Counts
from producer.evaluate.model import Evaluation, PageResult, StageResult
from producer.evaluate.normalise import AS_READ, NORMALISED

HEADS = ("page", "characters", "CER", "WER", "CER norm.", "WER norm.", "words found", "in order")
_GAP = "  "
_NONE = "-"
_RATES = ("cer", "wer", "word_recall", "word_order")


def evaluation_lines(found: Evaluation) -> Iterator[str]:
    """Yield a table for each stage, and what the figures mean."""
    for stage in found.stages:
        yield f"{found.scan_id}/{stage.stage}: {counted(len(stage.pages), 'page')} measured against {found.truth}"
        if stage.pages:
            yield from _table([HEADS, *map(page_cells, stage.pages), book_cells(stage), interval_cells(stage)])
        yield cost_line(stage)
        yield ""
    yield f"As read: {_names(AS_READ)}. Normalised: {_names(NORMALISED)}. Words found and in order are normalised."


def page_cells(page: PageResult) -> tuple[str, ...]:
    """Return the row of a page."""
    return _cells(str(page.page), page.as_read, page.normalised)


def book_cells(stage: StageResult) -> tuple[str, ...]:
    """Return the row of the whole book."""
    return _cells("book", stage.as_read, stage.normalised)


def interval_cells(stage: StageResult) -> tuple[str, ...]:
    """Return the row of intervals."""
    read, agreed = stage.as_read_intervals, stage.normalised_intervals
    shown = (read.cer, read.wer, agreed.cer, agreed.wer, agreed.word_recall, agreed.word_order)
    return (f"{100 * LEVEL:g} %", "", *map(_interval, shown))


def cost_line(stage: StageResult) -> str:
    """Return what the stage took for the pages that were measured."""
    cost = stage.cost
    parts = ["cost unknown" if cost.cost_usd is None else f"cost {dollars(cost.cost_usd)}"]
    parts.append(_time("core-seconds", cost.core_seconds, cost.core_timed_pages))
    parts.append(_time("s by the clock", cost.seconds, cost.timed_pages))
    if cost.pages_per_second is not None:
        parts.append(f"{cost.pages_per_second:.2f} pages/s by all workers")
    return ", ".join(parts)


def _time(unit: str, seconds: float | None, pages: int) -> str:
    return f"unknown {unit}" if seconds is None else f"{seconds:.1f} {unit} ({seconds / pages:.2f} per page)"


def evaluation_json(found: Evaluation) -> dict[str, Any]:
    """Return the object that `producer evaluate --json` prints. Rates are shares; null where they do not exist."""
    return {
        "scan_id": found.scan_id,
        "truth": str(found.truth),
        "rules": {"as_read": [rule.name for rule in AS_READ], "normalised": [rule.name for rule in NORMALISED]},
        "intervals": {"level": LEVEL, "resamples": RESAMPLES, "seed": SEED},
        "pages_without_truth": list(found.without_truth),
        "pages_with_empty_truth": list(found.empty_truth),
        "stages": [
            {
                "stage": stage.stage,
                "pages_measured": len(stage.pages),
                "pages_not_complete": list(stage.not_complete),
                "pages_without_reading": list(found.empty_reading.get(stage.stage, ())),
                "as_read": _counts_json(stage.as_read) | _intervals_json(stage.as_read_intervals),
                "normalised": _counts_json(stage.normalised) | _intervals_json(stage.normalised_intervals),
                **asdict(stage.cost),
                "pages": [
                    {
                        "page": page.page,
                        "as_read": _counts_json(page.as_read),
                        "normalised": _counts_json(page.normalised),
                    }
                    for page in stage.pages
                ],
            }
            for stage in found.stages
        ],
    }


def _counts_json(counts: Counts) -> dict[str, Any]:
    return asdict(counts) | {rate: getattr(counts, rate) for rate in _RATES}


def _intervals_json(intervals: Intervals) -> dict[str, Any]:
    return {f"{rate}_interval": getattr(intervals, rate) for rate in _RATES}


def _cells(name: str, read: Counts, agreed: Counts) -> tuple[str, ...]:
    rates = (read.cer, read.wer, agreed.cer, agreed.wer, agreed.word_recall, agreed.word_order)
    return (name, f"{read.characters:,}", *map(percent, rates))


def percent(share: float | None) -> str:
    """Return a share in percent; a dash for one that does not exist."""
    return _NONE if share is None else f"{100 * share:.2f} %"


def _interval(interval: Interval | None) -> str:
    return _NONE if interval is None else "-".join(f"{100 * end:.2f}" for end in interval)


def _names(rules: Sequence[Any]) -> str:
    return ", ".join(rule.name for rule in rules)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = (f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        yield _GAP.join([first.strip().ljust(widths[0]), *others]).rstrip()

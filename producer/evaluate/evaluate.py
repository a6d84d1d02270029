"""Measure the pages of a book whose text is known. Reads files only; only the counts of a page stay in memory."""

from collections import defaultdict
from collections.abc import Sequence

from checkpointing.errors import InputError
from producer.evaluate.bootstrap import intervals
from producer.evaluate.measure import count_errors
from producer.evaluate.model import Evaluation, PageResult, StageResult
from producer.evaluate.normalise import AS_READ, NORMALISED, normalised
from producer.evaluate.readings import StageReading
from producer.evaluate.truth.source import Truth
from producer.terminal.progress import Counting, uncounted
from worker.pages.metadata import ScanMetadata


def evaluate(
    metadata: ScanMetadata,
    truth: Truth,
    stages: Sequence[StageReading],
    only: frozenset[int] | None = None,
    counting: Counting = uncounted,
) -> Evaluation:
    """Return the figures of a book.

    Args:
        metadata: of the book.
        truth: the known texts.
        stages: to measure, in pipeline order.
        only: measure only these pages; None for all.
        counting: shows the progress.

    Raises:
        InputError: the truth cannot be used, or has no text for the pages in question.
        StorageError: the truth or an output cannot be read.
    """
    asked = set(range(1, metadata.total_pages + 1) if only is None else only)
    pages = sorted(asked & truth.pages)
    if not pages:
        raise InputError(f"{truth.path} has no truth for the pages of {metadata.scan_id} that --pages names")
    measured: dict[str, list[PageResult]] = {stage.name: [] for stage in stages}
    not_complete: dict[str, list[int]] = defaultdict(list)
    empty_reading: dict[str, list[int]] = defaultdict(list)
    empty_truth: list[int] = []
    with counting(f"{metadata.scan_id}: pages measured", len(pages)) as step:
        for page in pages:
            printed = truth.text(page)
            if not printed.strip():
                empty_truth.append(page)
            for stage in stages:
                read = stage.text(page)
                if read is None:
                    not_complete[stage.name].append(page)
                    continue
                if printed.strip() and not read.strip():
                    empty_reading[stage.name].append(page)
                measured[stage.name].append(measure_page(page, printed, read))
            step()
    if len(empty_truth) == len(pages):
        raise InputError(f"{truth.path} has no text: the truth of every page is empty")
    return Evaluation(
        scan_id=metadata.scan_id,
        truth=truth.path,
        stages=tuple(_stage_result(stage, measured[stage.name], not_complete[stage.name]) for stage in stages),
        without_truth=tuple(sorted(asked - truth.pages)),
        empty_truth=tuple(empty_truth),
        empty_reading={stage: tuple(found) for stage, found in empty_reading.items()},
    )


def measure_page(page: int, printed: str, read: str) -> PageResult:
    """Return the figures of a page, as read and normalised."""
    as_read, agreed = (
        count_errors(normalised(printed, rules), normalised(read, rules)) for rules in (AS_READ, NORMALISED)
    )
    return PageResult(page, as_read, agreed)


def _stage_result(stage: StageReading, pages: Sequence[PageResult], not_complete: Sequence[int]) -> StageResult:
    return StageResult(
        stage=stage.name,
        pages=tuple(pages),
        not_complete=tuple(not_complete),
        as_read_intervals=intervals([page.as_read for page in pages]),
        normalised_intervals=intervals([page.normalised for page in pages]),
        cost=stage.cost(page.page for page in pages),
    )

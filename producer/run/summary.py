"""What `producer run` prints at its end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from checkpointing.checkpoint import Checkpoint
from checkpointing.money import add_usd, dollars
from checkpointing.outputs import OutputFolder
from checkpointing.plurals import counted
from producer.planning.request import Request
from producer.status.call_costs import overrun_line, overruns_of, unanswered_line, unanswered_of
from producer.status.doubtful_pages import doubt_lines
from producer.terminal.console import results
from worker.storage.book_store import BookStore
from worker.text.control_characters import clean_text

_EXCERPT_LINES = 4
_RUNNING_TEXT_CHARACTERS = 30


@dataclass(frozen=True, slots=True)
class Ended:
    """A stage at the end of a run.

    Attributes:
        pages_before: how many pages were complete when the run began.
    """

    checkpoint: Checkpoint
    outputs: OutputFolder
    pages_before: int


def print_summary(store: BookStore, requests: Sequence[Request], stages: Sequence[Ended], seconds: float) -> None:
    """Print what a run achieved, and which calls cost more than expected or were not answered."""
    for line in summary_lines(stages, seconds):
        results.print(line)
    for request in requests:
        overruns = overruns_of(store, request.ref)
        if overruns.calls:
            results.print(overrun_line(request.ref, overruns))
        unanswered = unanswered_of(store, request.ref)
        if unanswered.usd:
            results.print(unanswered_line(request.ref, unanswered))


def summary_lines(stages: Sequence[Ended], seconds: float) -> list[str]:
    """Return pages, doubtful pages, speed, cost, the output folders, and a few lines of text of the last stage."""
    done = _pages_done(stages)
    speed = f"{counted(done, 'page')} in {seconds:.1f} s ({done / seconds:.2f} pages/s)"
    cost = add_usd(*(stage.checkpoint.total_cost_usd for stage in stages))
    excerpts = (_excerpt(stage.checkpoint, stage.outputs) for stage in reversed(stages))
    return [
        *(line for stage in stages for line in _lines_of(stage)),
        f"This run: {speed}; cost over all runs: {dollars(cost)}",
        *(f"Outputs: {stage.outputs.path}" for stage in stages),
        *(f"  | {line}" for line in next(filter(None, excerpts), [])),
    ]


def run_json(stages: Sequence[Ended], seconds: float) -> dict[str, Any]:
    """Return the form that `producer run --json` prints."""
    return {
        "stages": [_as_json(stage) for stage in stages],
        "pages_done": _pages_done(stages),
        "seconds": round(seconds, 1),
        "total_cost_usd": add_usd(*(stage.checkpoint.total_cost_usd for stage in stages)),
    }


def _as_json(stage: Ended) -> dict[str, Any]:
    checkpoint = stage.checkpoint
    return {
        "scan_id": checkpoint.scan_id,
        "stage": checkpoint.stage,
        "status": checkpoint.status.value,
        "total_pages": checkpoint.total_pages,
        "completed": len(checkpoint.pages),
        "pages_done": len(checkpoint.pages) - stage.pages_before,
        "failed_pages": [failed.model_dump(mode="json") for failed in checkpoint.failed_pages],
        "doubtful_pages": [page.model_dump(mode="json") for page in checkpoint.doubtful_pages],
        "total_cost_usd": checkpoint.total_cost_usd,
        "error": checkpoint.error,
        "outputs": str(stage.outputs.path),
    }


def _pages_done(stages: Sequence[Ended]) -> int:
    """Return the number of pages that were processed: of each book that of the stage with the most."""
    by_book: dict[str, int] = {}
    for stage in stages:
        done = len(stage.checkpoint.pages) - stage.pages_before
        by_book[stage.checkpoint.scan_id] = max(done, by_book.get(stage.checkpoint.scan_id, 0))
    return sum(by_book.values())


def _lines_of(stage: Ended) -> Iterator[str]:
    checkpoint = stage.checkpoint
    cost = f", {dollars(checkpoint.total_cost_usd)}" if checkpoint.total_cost_usd else ""
    yield f"{checkpoint.ref}: {checkpoint.summary()}{cost}"
    for line in doubt_lines(checkpoint.doubtful_pages):
        yield f"{checkpoint.ref}: {line}"


def _excerpt(checkpoint: Checkpoint, outputs: OutputFolder) -> list[str]:
    """Return the first lines of the first running text; none for a stage that writes no text."""
    for page in checkpoint.completed_pages:
        for text in _body_texts(outputs, page):
            lines = text.splitlines()
            if len(lines) >= _EXCERPT_LINES and len(lines[0]) >= _RUNNING_TEXT_CHARACTERS:
                return lines[:_EXCERPT_LINES]
    return []


def _body_texts(outputs: OutputFolder, page: int) -> Iterator[str]:
    for region in outputs.load(page).get("regions", []):
        if region.get("type") == "body":
            # Outputs of older versions may contain control characters.
            yield clean_text(region.get("text", ""))

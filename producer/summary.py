"""What a run achieved, for the person who waited for it."""

from collections.abc import Iterator

from checkpointing.models import Checkpoint
from checkpointing.outputs import OutputFolder

_EXCERPT_LINES = 4
_RUNNING_TEXT_CHARACTERS = 30


def summarise(checkpoint: Checkpoint, outputs: OutputFolder, pages_before: int, seconds: float) -> list[str]:
    """Pages done, speed, cost, where the outputs are, and a few lines of the text.

    Args:
        checkpoint: as it stands at the end.
        outputs: of the stage.
        pages_before: how many pages were complete when the run began.
        seconds: how long it took.
    """
    done = len(checkpoint.pages) - pages_before
    speed = f"{done} pages in {seconds:.1f} s ({done / seconds:.2f} pages/s)"
    return [
        f"{checkpoint.scan_id}/{checkpoint.stage}: {checkpoint.summary()}",
        f"This run: {speed}; cost over all runs: ${checkpoint.total_cost_usd:.2f}",
        f"Outputs: {outputs.path}",
        *(f"  | {line}" for line in _excerpt(checkpoint, outputs)),
    ]


def _excerpt(checkpoint: Checkpoint, outputs: OutputFolder) -> list[str]:
    """The first lines of the first running text; none where a stage writes no text."""
    for page in checkpoint.completed_pages:
        for text in _body_texts(outputs, page):
            lines = text.splitlines()
            if len(lines) >= _EXCERPT_LINES and len(lines[0]) >= _RUNNING_TEXT_CHARACTERS:
                return lines[:_EXCERPT_LINES]
    return []


def _body_texts(outputs: OutputFolder, page: int) -> Iterator[str]:
    for region in outputs.load(page).get("regions", []):
        if region.get("type") == "body":
            yield region.get("text", "")

"""Following a stage until the pages that were asked for are settled, with progress for a person or a log."""

import os
import time
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from checkpointing.errors import CheckpointError
from checkpointing.file import CheckpointFile, Signature
from checkpointing.models import Checkpoint, Status
from checkpointing.money import dollars
from producer.status import recent_rate

_POLL_SECONDS = 0.2
_PLAIN_LINE_SECONDS = 10.0


class View(Protocol):
    """Shows how far a stage is."""

    def show(self, checkpoint: Checkpoint) -> None:
        """Show it as it stands."""
        ...


def follow(
    file: CheckpointFile, wanted: AbstractSet[int], view: View, on_poll: Callable[[], object] = bool
) -> Checkpoint:
    """Wait until every wanted page is complete or in quarantine, or the stage is paused.

    Args:
        file: the checkpoint to follow. Nothing else is read, so this works whatever becomes of Redis.
        wanted: the pages to wait for.
        view: shown each version of the checkpoint.
        on_poll: called several times a second; may raise to end the waiting.

    Returns:
        The checkpoint as it then stands.
    """
    seen = _version(file)
    checkpoint = file.read()
    while checkpoint.status is not Status.PAUSED and not wanted.isdisjoint(checkpoint.pending()):
        view.show(checkpoint)
        seen = _next_version(file, seen, on_poll)
        # Being rebuilt just now: the last one stands.
        with suppress(CheckpointError, OSError):
            checkpoint = file.read()
    view.show(checkpoint)
    return checkpoint


def _next_version(file: CheckpointFile, seen: Signature | None, on_poll: Callable[[], object]) -> Signature:
    """Wait until another version of the file is there; one that is away for a moment is none."""
    while (version := _version(file)) in {None, seen}:
        on_poll()
        time.sleep(_POLL_SECONDS)
    return version


def _version(file: CheckpointFile) -> Signature | None:
    try:
        return file.signature()
    except OSError:
        return None


@contextmanager
def progress_view(console: Console, label: str) -> Iterator[View]:
    """A bar on a terminal, plain lines elsewhere (a pipe, a log, CI)."""
    if not console.is_terminal or os.environ.get("TERM") == "dumb":
        yield _PlainLines(console, label)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("pages  {task.fields[words]}"),
    )
    with Progress(*columns, console=console, refresh_per_second=5) as progress:
        yield _Bar(progress, label)


class _Bar:
    def __init__(self, progress: Progress, label: str) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=None, words="")

    def show(self, checkpoint: Checkpoint) -> None:
        self._progress.update(
            self._task, total=checkpoint.total_pages, completed=len(checkpoint.pages), words=_words(checkpoint)
        )


class _PlainLines:
    def __init__(self, console: Console, label: str) -> None:
        self._console = console
        self._label = label
        self._next = 0.0

    def show(self, checkpoint: Checkpoint) -> None:
        ended = not checkpoint.pending()
        if time.monotonic() < self._next and not ended:
            return
        self._next = time.monotonic() + _PLAIN_LINE_SECONDS
        self._console.print(f"{self._label}: {checkpoint.summary()}  {_words(checkpoint)}")


def _words(checkpoint: Checkpoint) -> str:
    """Rate, time to go, money and trouble, in that order, as far as there is any."""
    rate = recent_rate(checkpoint)
    pending = len(checkpoint.pending())
    parts = []
    if rate:
        parts.append(f"{rate:.2f} pages/s")
    if rate and pending:
        parts.append(f"ETA {_clock(pending / rate)}")
    parts.append(dollars(checkpoint.total_cost_usd))
    if checkpoint.failed_pages:
        parts.append(f"{len(checkpoint.failed_pages)} quarantined")
    return "  ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

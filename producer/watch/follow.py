"""Following a stage until the pages that were asked for are settled, with plain lines for a log."""

import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from rich.console import Console

from checkpointing.errors import CheckpointError
from checkpointing.file import CheckpointFile
from checkpointing.models import Checkpoint, Status, now
from checkpointing.money import dollars
from checkpointing.plurals import counted
from producer.status.scan_status import recent_rate
from producer.watch.output import clock
from producer.watch.reading import PacedReader

_POLL_SECONDS = 0.2
_PLAIN_LINE_SECONDS = 10.0
_WAIT_LINE_SECONDS = 30.0
_QUIET_SECONDS = 60.0
_ASK_SECONDS = 1.0


class View(Protocol):
    """Shows how far a stage is."""

    def show(self, checkpoint: Checkpoint) -> None:
        """Show it as it stands."""
        ...

    def tick(self) -> None:
        """Called several times a second while nothing changes."""
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
    reader = PacedReader(file)
    checkpoint = reader.news() or file.read()
    while checkpoint.status is not Status.PAUSED and not wanted.isdisjoint(checkpoint.pending()):
        view.show(checkpoint)
        checkpoint = _next_version(reader, view, on_poll)
    view.show(checkpoint)
    return checkpoint


def _next_version(reader: PacedReader, view: View, on_poll: Callable[[], object]) -> Checkpoint:
    """Wait for another version of the file; one that is away, or being rebuilt just now, is none."""
    while True:
        with suppress(CheckpointError, OSError):
            checkpoint = reader.news()
            if checkpoint is not None:
                return checkpoint
        on_poll()
        view.tick()
        time.sleep(_POLL_SECONDS)


class PlainLines:
    """A line now and then, and one when nothing of a stage is pending any more.

    Args:
        console: prints the lines.
        waits: tells what keeps stages from going on, in words, by `SCAN_ID/STAGE`.
        open_calls: tells how many calls of a stage have no answer yet.
    """

    def __init__(
        self,
        console: Console,
        waits: Callable[[], Mapping[str, str]] = dict,
        open_calls: Callable[[Checkpoint], int] = lambda _: 0,
    ) -> None:
        self._console = console
        self._waits = waits
        self._open_calls = open_calls
        self._waiting: dict[str, str] = {}
        # The rate is that of the work that is waited for: an earlier run says nothing of it.
        self._begun = now()
        self._next: dict[str, float] = {}
        self._ask_at = self._say_at = 0.0
        self._shown: Checkpoint | None = None
        self._news_at = self._printed_at = time.monotonic()

    def show(self, checkpoint: Checkpoint) -> None:
        """Say it, unless something was said of this stage a moment ago."""
        if self._shown is None or self._shown.summary() != checkpoint.summary():
            self._news_at = time.monotonic()
        self._shown = checkpoint
        ended = not checkpoint.pending()
        label = f"{checkpoint.scan_id}/{checkpoint.stage}"
        if time.monotonic() < self._next.get(label, 0.0) and not ended:
            return
        self._next[label] = time.monotonic() + _PLAIN_LINE_SECONDS
        self._print(checkpoint)

    def tick(self) -> None:
        """Say what keeps a stage waiting; and that it goes on, where a page takes minutes."""
        if time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + _ASK_SECONDS
            self._say_waits(self._waits())
        # A local model may take many minutes for a page.
        if self._shown is not None and time.monotonic() - self._printed_at >= _QUIET_SECONDS:
            quiet = clock(time.monotonic() - self._news_at)
            self._print(self._shown, f"  no news for {quiet}{_open_calls_in_words(self._open_calls(self._shown))}")

    def _say_waits(self, waits: Mapping[str, str]) -> None:
        due = set(waits) if time.monotonic() >= self._say_at else waits.keys() - self._waiting.keys()
        for label in sorted(due):
            self._say_at = time.monotonic() + _WAIT_LINE_SECONDS
            self._console.print(f"{label} waits: {waits[label]}", markup=False)
        for label in sorted(self._waiting.keys() - waits.keys()):
            self._console.print(f"{label}: the model answers again", markup=False)
        self._waiting = dict(waits)

    def _print(self, checkpoint: Checkpoint, more: str = "") -> None:
        self._printed_at = time.monotonic()
        label = f"{checkpoint.scan_id}/{checkpoint.stage}"
        self._console.print(f"{label}: {checkpoint.summary()}  {_words(checkpoint, self._begun)}{more}")


def _open_calls_in_words(calls: int) -> str:
    if not calls:
        return ""
    return f", {counted(calls, 'call')} {'waits for its answer' if calls == 1 else 'wait for their answers'}"


def _words(checkpoint: Checkpoint, begun: datetime) -> str:
    """Rate, time to go, money and trouble, in that order, as far as there is any."""
    pending = len(checkpoint.pending())
    # What was cancelled, failed or waits for a person has no rate and no end in sight.
    has_rate = checkpoint.status in {Status.IN_PROGRESS, Status.COMPLETED}
    rate = recent_rate(checkpoint, begun) if has_rate else None
    parts = []
    if rate:
        parts.append(f"{rate:.2f} pages/s")
    if rate and pending:
        parts.append(f"ETA {clock(pending / rate)}")
    parts.append(dollars(checkpoint.total_cost_usd))
    if checkpoint.failed_pages:
        parts.append(f"{len(checkpoint.failed_pages)} quarantined")
    return "  ".join(parts)

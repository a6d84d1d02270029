"""A command killed at each of its steps in turn."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from checkpointing.file import CheckpointFile
from checkpointing.inbox import Inbox
from worker.queue.page_queue import PageQueue
from worker.storage.open_stages import OpenStages

_STEPS: tuple[tuple[Any, str], ...] = (
    (CheckpointFile, "save"),
    (Inbox, "remove"),
    (OpenStages, "add"),
    (OpenStages, "remove"),
    (PageQueue, "close"),
    (PageQueue, "put"),
    # Of files that are written, and of outputs that are set aside.
    (Path, "replace"),
)


class KilledError(BaseException):
    """Nothing that runs after this was meant to."""


def kill_at(
    step: int,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[[], object],
    steps: Sequence[tuple[Any, str]] = _STEPS,
) -> bool:
    """Run a command that dies before its step of this number, from 0; False where it has fewer steps."""
    taken = 0

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal taken
            if taken == step:
                raise KilledError
            taken += 1
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patched:
        for owner, name in steps:
            patched.setattr(owner, name, deadly(getattr(owner, name)))
        try:
            command()
        except KilledError:
            return True
    return False

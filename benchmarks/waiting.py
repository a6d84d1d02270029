"""Waiting for work to be done: on two cores whoever looks takes part, so they look seldom and at little."""

import time
from collections.abc import Callable
from pathlib import Path

_TIMEOUT_SECONDS = 600
_LOOK_SECONDS = 0.3
_COMPLETED = b'"status":"completed"'
_HEAD_BYTES = 300


def wait_for(is_done: Callable[[], bool]) -> None:
    """Wait until something is done.

    Raises:
        RuntimeError: it was not within ten minutes.
    """
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not done within {_TIMEOUT_SECONDS} s")
        time.sleep(_LOOK_SECONDS)


def is_completed(checkpoint: Path) -> bool:
    """Whether a checkpoint says so in its first bytes; reading all of it takes milliseconds."""
    with checkpoint.open("rb") as file:
        return _COMPLETED in file.read(_HEAD_BYTES)

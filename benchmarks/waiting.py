"""Waiting for work to be done: on two cores whoever looks takes part, so they look seldom and at little."""

from collections.abc import Callable
from pathlib import Path

from tests.support.deployment import Deployment

_TIMEOUT_SECONDS = 600
_LOOK_SECONDS = 0.3
_COMPLETED = b'"status":"completed"'
_HEAD_BYTES = 300


def wait_for(deployment: Deployment, is_done: Callable[[], bool]) -> None:
    """Wait until a deployment has done something.

    Raises:
        AssertionError: it has not within ten minutes; shows the logs.
    """
    deployment.wait(is_done, _TIMEOUT_SECONDS, "the work to be done", _LOOK_SECONDS)


def is_completed(checkpoint: Path) -> bool:
    """Whether a checkpoint says so in its first bytes; reading all of it takes milliseconds."""
    with checkpoint.open("rb") as file:
        return _COMPLETED in file.read(_HEAD_BYTES)

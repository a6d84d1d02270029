"""Waiting for a condition, instead of sleeping and hoping."""

import time
from collections.abc import Callable


def wait_until(predicate: Callable[[], object], timeout: float, description: str, every: float = 0.02) -> None:
    """Return as soon as `predicate` holds.

    Args:
        predicate: looked at often.
        timeout: seconds after which the test fails.
        description: what was waited for, for the failure's message.
        every: seconds between two looks.
    """
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for: {description}")
        time.sleep(every)

"""Local model servers: how they are recognised, and how many calls are made to one at once.

A model on a local machine may write two tokens per second, and answer calls one after the other. So a call may take
long, and only a few are made at once: those that wait in the queue of the server would time out. Where answers come
quickly, as from a graphics card that serves many at once, the number grows.
"""

import ipaddress
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

QUICK_SECONDS = 30.0
"""An answer within this time lets the server get more calls at once."""
_FIRST_CALLS = 2
# Suffixes that no public server has; names without a dot belong to containers and machines in the same network.
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home", ".home.arpa", ".svc")


def is_local(host: str) -> bool:
    """Return whether a host is this machine or in the same private network, by its name or address alone."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.casefold().rstrip(".")
        return bool(name) and ("." not in name or name.endswith(_LOCAL_SUFFIXES))
    return address.is_private or address.is_link_local


class CallSlots:
    """How many calls of one model this process makes at once, where that is bounded; a call takes a slot."""

    def __init__(self, *, is_bounded: bool) -> None:
        self._most: float = _FIRST_CALLS if is_bounded else math.inf
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, give_up_after_seconds: float) -> Iterator[bool]:
        """Take a slot for the duration of a `with` block.

        Returns:
            Whether one became free in time; if not, none is taken.
        """
        with self._changed:
            is_free = self._changed.wait_for(lambda: self._taken < self._most, give_up_after_seconds)
            self._taken += is_free
        try:
            yield is_free
        finally:
            with self._changed:
                self._taken -= is_free
                self._changed.notify_all()

    def note_answer(self, seconds: float) -> None:
        """Allow one more call at once after a quick answer."""
        with self._changed:
            self._most += seconds < QUICK_SECONDS

    def note_timeout(self) -> None:
        """Halve the number of calls at once after a timeout: the server is overloaded."""
        with self._changed:
            if self._most < math.inf:
                self._most = max(1, self._most // 2)

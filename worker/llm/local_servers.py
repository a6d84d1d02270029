"""Servers of one's own: which they are, and how many calls they are asked for at once.

A model on one's own machine may write two tokens a second, and answer one call after the other. So a call may take
long there, and only a few are made at once: those that wait in the server's queue would run out of time. Where
answers come quickly, as from a graphics card that serves many at once, the number grows.
"""

import ipaddress
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

QUICK_SECONDS = 30.0
"""An answer within this is quick: the server may take more calls at once."""
_FIRST_CALLS = 2
# Names that no public server has; those without a dot are of containers and of machines in the same network.
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home", ".home.arpa", ".svc")


def is_local(host: str) -> bool:
    """Whether a host is this machine, or one in the same private network, by its name or address alone."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.casefold().rstrip(".")
        return bool(name) and ("." not in name or name.endswith(_LOCAL_SUFFIXES))
    return address.is_private or address.is_link_local


class CallSlots:
    """How many calls of one model this process makes at once; each thread takes a slot for its call.

    Args:
        is_bounded: whether there is a bound at all.
    """

    def __init__(self, *, is_bounded: bool) -> None:
        self._most: float = _FIRST_CALLS if is_bounded else math.inf
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, give_up_after_seconds: float) -> Iterator[bool]:
        """Take a slot for the length of a `with` block.

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
        """Learn from an answer, which took so long."""
        with self._changed:
            self._most += seconds < QUICK_SECONDS

    def note_timeout(self) -> None:
        """Learn from a call that ran out of time: the server has more to do than it can."""
        with self._changed:
            if self._most < math.inf:
                self._most = max(1, self._most // 2)

"""Claims: a short, renewed lease on one page, so that one worker at a time processes it.

A thread renews the claims of its process while the work goes on, but no longer than a page may take, so that work
that hangs where nothing can stop it loses its page. A claim that Redis forgot in a flush is taken again, unless
another worker was faster: then it is lost, and the work must not be saved.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from redis import Redis
from redis.exceptions import RedisError

from checkpointing.identity import new_token
from checkpointing.inbox import Entry, Inbox
from checkpointing.lease import Lease
from checkpointing.lua import Script
from checkpointing.refs import StageRef
from worker.queue.dispatch import Dispatch
from worker.queue.keys import QueueKeys

_TAKE: Script[int] = Script("worker.queue.take_claim")
_UNCOUNT: Script[None] = Script("worker.queue.uncount_attempt")


def _clock() -> float:
    """Return seconds that also pass while this process is paused and, on Linux, while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Claim:
    """A lease on one page, held by this process.

    Attributes:
        attempt: number of this attempt at the page, from 1.

    Raises:
        RedisError: the broker failed; from every method except `release`.
    """

    def __init__(self, redis: Redis, keys: QueueKeys, ref: StageRef, page: int, seconds: float) -> None:
        self.key = keys.claim(ref, page)
        self.token = new_token()
        self.page = page
        self.attempt = 0
        self.attempts_key = keys.attempts(ref)
        self._redis = redis
        self._lease = Lease(redis, self.key)
        self._seconds = seconds
        # Held while renewing: a renewal that overtook the release would block the page for a whole lease.
        self._lock = threading.Lock()
        self._over = False
        self._confirmed_at = _clock()

    def is_ours(self) -> bool:
        """Return whether this process still has the page, without asking Redis just after an answer."""
        just_now = _clock() - self._confirmed_at < self._seconds / 3
        return (just_now and not self._over) or self.renew()

    def renew(self) -> bool:
        """Renew the lease; return False if it was released, or another worker has the page."""
        with self._lock:
            asked_at = _clock()
            self._over = self._over or not self._lease.win(self.token, self._seconds)
            self._confirmed_at = asked_at
            return not self._over

    def uncount_attempt(self) -> None:
        """Do not count this attempt, because it failed through no fault of the page."""
        _UNCOUNT(self._redis, attempts=self.attempts_key, page=self.page)

    def hand_over(self, entry: Entry, inbox: Inbox, run: str = "") -> None:
        """Add the result to the inbox, with the run that asked for the page, and release the page, in one step."""
        with self._lock:
            inbox.hand_over(entry, self.key, self.token, run)
            self._over = True

    def release(self) -> None:
        """Release the page. Safe to repeat. If the broker is away, the lease expires by itself."""
        with self._lock:
            if self._over:
                return
            self._over = True
            with suppress(RedisError):
                self._lease.keep_for(self.token, 0)


class Claims:
    """Takes and renews the claims of this process.

    Args:
        seconds: length of the lease.
        max_seconds: returns how long a page of a stage may be held.
    """

    def __init__(
        self,
        redis: Redis,
        keys: QueueKeys,
        seconds: float,
        dispatch: Callable[[StageRef], Dispatch],
        max_seconds: Callable[[str], float],
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._seconds = seconds
        self._dispatch = dispatch
        self._max_seconds = max_seconds
        self._renewer = _Renewer(seconds / 3)

    @contextmanager
    def take(self, ref: StageRef, page: int) -> Iterator[Claim | None]:
        """Claim a page for the length of a `with` block; yield None if another worker has it.

        Raises:
            RedisError: the broker failed.
        """
        claim = Claim(self._redis, self._keys, ref, page, self._seconds)
        claim.attempt = _TAKE(
            self._redis,
            claim=claim.key,
            attempts=claim.attempts_key,
            waiting=self._keys.waiting(ref),
            dispatched=self._keys.dispatched(ref),
            token=claim.token,
            lease_ms=int(self._seconds * 1000),
            page=page,
            queue=self._dispatch(ref).values(),
        )
        if not claim.attempt:
            yield None
            return
        with self._renewer.renewing(claim, self._max_seconds(ref.stage)):
            try:
                yield claim
            finally:
                claim.release()


class _Renewer:
    """One thread per process that renews its claims. It ends when there are none, and starts with the next one."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[Claim, float] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def renewing(self, claim: Claim, max_seconds: float) -> Iterator[None]:
        with self._lock:
            self._until[claim] = time.monotonic() + max_seconds
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="claim-renewer", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._until.pop(claim, None)

    def _run(self) -> None:
        while True:
            time.sleep(self._interval)
            with self._lock:
                if not self._until:
                    self._thread = None
                    return
                due = [claim for claim, until in self._until.items() if time.monotonic() < until]
            for claim in due:
                # The broker is away: two thirds of the lease are left, and the worker asks again before it saves.
                with suppress(RedisError):
                    claim.renew()

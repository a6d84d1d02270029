"""Claims: a short, renewed lease on one page, so that one worker at a time does it.

A claim is taken in one step with counting the attempt, noting that the page has left the queue, and moving the next
page into it. A keeper thread renews the claims of its process for as long as the work goes on, and no longer than a
page may take: one that hangs where nothing can stop it gives its page up all the same. The keeper starts in the
process that works (a forked pool child has none of its parent's threads). A claim that Redis forgot (a flush) is
taken again, unless somebody else was quicker: then it is lost, and the work must not be saved.
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
from checkpointing.lua import Script
from checkpointing.refs import StageRef
from worker.queue.dispatch import Dispatch
from worker.queue.keys import QueueKeys

_TAKE: Script[int] = Script("worker.queue.take_claim")
_RENEW: Script[int] = Script("worker.queue.renew_claim")
_RELEASE: Script[None] = Script("worker.queue.release_claim")
_UNCOUNT: Script[None] = Script("worker.queue.uncount_attempt")


def _clock() -> float:
    """Seconds that go on while this process is paused and, where the system has such a clock, while it sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Claim:
    """A lease on one page, held by this process.

    Attributes:
        page: which page.
        attempt: which attempt at the page this is, from 1.
    """

    def __init__(self, claims: "Claims", key: str, attempts_key: str, page: int) -> None:
        self.key = key
        self.token = new_token()
        self.page = page
        self.attempt = 0
        self._attempts_key = attempts_key
        self._claims = claims
        # Held while renewing: a renewal that overtook the release would lock the page up for a whole lease.
        self._lock = threading.Lock()
        self._over = False
        self._confirmed_at = _clock()

    def is_ours(self) -> bool:
        """Whether the page is ours still. Redis need not be asked again just after it said so.

        Raises:
            RedisError: the broker cannot say.
        """
        just_now = _clock() - self._confirmed_at < self._claims.interval
        return (just_now and not self._over) or self.renew()

    def renew(self) -> bool:
        """Lengthen the lease; False when the page is somebody else's by now, or given back.

        Raises:
            RedisError: the broker cannot say.
        """
        with self._lock:
            asked_at = _clock()
            self._over = self._over or not self._claims.renew(self)
            self._confirmed_at = asked_at
            return not self._over

    def uncount_attempt(self) -> None:
        """Give the attempt back: it failed through no fault of the page.

        Raises:
            RedisError: the broker failed.
        """
        self._claims.uncount(self._attempts_key, self.page)

    def hand_over(self, entry: Entry, inbox: Inbox, run: str = "") -> None:
        """Give the page back with what became of it, and the run that this was for, in one step.

        Raises:
            RedisError: the broker failed; the lease runs out by itself.
        """
        with self._lock:
            inbox.hand_over(entry, self.key, self.token, run)
            self._over = True

    def release(self) -> None:
        """Give the page back. Once is enough."""
        with self._lock:
            if not self._over:
                self._over = True
                self._claims.release(self)


class Claims:
    """Takes and keeps the claims of this process.

    Args:
        redis: client of the broker.
        keys: spells the keys.
        seconds: length of the lease.
        dispatch: gives that of a stage.
        most_seconds: tells how long a page of a stage may be held at the most.
    """

    def __init__(
        self,
        redis: Redis,
        keys: QueueKeys,
        seconds: float,
        dispatch: Callable[[str], Dispatch],
        most_seconds: Callable[[str], float],
    ) -> None:
        self.redis = redis
        self.interval = seconds / 3
        self._keys = keys
        self._dispatch = dispatch
        self._most_seconds = most_seconds
        self._milliseconds = int(seconds * 1000)
        self._keeper = _Keeper(self.interval)

    @contextmanager
    def take(self, ref: StageRef, page: int) -> Iterator[Claim | None]:
        """Claim a page for the length of a `with` block; None when somebody else holds it.

        Raises:
            RedisError: the broker failed.
        """
        attempts = self._keys.attempts(ref)
        claim = Claim(self, self._keys.claim(ref, page), attempts, page)
        claim.attempt = _TAKE(
            self.redis,
            claim=claim.key,
            attempts=attempts,
            waiting=self._keys.waiting(ref),
            dispatched=self._keys.dispatched(ref),
            token=claim.token,
            lease_ms=self._milliseconds,
            page=page,
            **self._dispatch(ref.stage).values(),
        )
        if not claim.attempt:
            yield None
            return
        with self._keeper.keeping(claim, self._most_seconds(ref.stage)):
            try:
                yield claim
            finally:
                claim.release()

    def renew(self, claim: Claim) -> bool:
        """Lengthen a lease in Redis; False when it is somebody else's by now."""
        return bool(_RENEW(self.redis, claim=claim.key, token=claim.token, lease_ms=self._milliseconds))

    def uncount(self, attempts_key: str, page: int) -> None:
        """Take an attempt back in Redis."""
        _UNCOUNT(self.redis, attempts=attempts_key, page=page)

    def release(self, claim: Claim) -> None:
        """Delete a lease in Redis. A broker that is away just now lets it run out instead."""
        with suppress(RedisError):
            _RELEASE(self.redis, claim=claim.key, token=claim.token)


class _Keeper:
    """One thread a process that renews its claims. It ends when there are none, and starts with the next one."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._start_afresh()
        os.register_at_fork(after_in_child=self._start_afresh)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Claim, float] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def keeping(self, claim: Claim, most_seconds: float) -> Iterator[None]:
        with self._lock:
            self._kept[claim] = time.monotonic() + most_seconds
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="claim-keeper", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._kept.pop(claim, None)

    def _run(self) -> None:
        while True:
            time.sleep(self._interval)
            with self._lock:
                if not self._kept:
                    self._thread = None
                    return
                kept = [claim for claim, until in self._kept.items() if time.monotonic() < until]
            for claim in kept:
                # A broker that is away: the lease has two more thirds to go, and whoever saves asks again.
                with suppress(RedisError):
                    claim.renew()

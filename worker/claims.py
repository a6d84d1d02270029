"""Claims: a short, renewed lease on one page, so that one worker at a time does it.

A claim is taken in one step with counting the attempt and noting that the page has left the queue. A keeper
thread renews the claims of its process for as long as the work goes on; it starts in the process that works (a
forked pool child has none of its parent's threads). A claim that Redis forgot (a flush) is taken again, unless
somebody else was quicker: then it is lost, and the work must not be saved.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from checkpointing.identity import new_token
from checkpointing.keys import Keys

# KEYS: claim, attempts, queued, order. ARGV: token, lease in ms, page. Returns the attempt's number, 0 if held.
_TAKE = """
local place = redis.call('ZSCORE', KEYS[3], ARGV[3])
if place then
  redis.call('ZREM', KEYS[3], ARGV[3])
  local started = redis.call('HGET', KEYS[4], 'started')
  if not started or tonumber(place) > tonumber(started) then
    redis.call('HSET', KEYS[4], 'started', place)
  end
end
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
return redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
"""
# KEYS: claim. ARGV: token, lease in ms. Returns 1 while the claim is ours.
_RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
# KEYS: attempts. ARGV: page. A count that Redis has forgotten meanwhile must not fall below nothing.
_UNCOUNT = """
local begun = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if begun > 0 then redis.call('HINCRBY', KEYS[1], ARGV[1], -1) end
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


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

    def renew(self) -> bool:
        """Lengthen the lease; False when the page is somebody else's by now, or given back.

        Raises:
            RedisError: the broker cannot say.
        """
        with self._lock:
            self._over = self._over or not self._claims.renew(self)
            return not self._over

    def uncount_attempt(self) -> None:
        """Give the attempt back: it failed through no fault of the page.

        Raises:
            RedisError: the broker failed.
        """
        self._claims.uncount(self._attempts_key, self.page)

    def release(self, pipeline: Pipeline | None = None) -> None:
        """Give the page back, at once or as part of a pipeline. Once is enough."""
        with self._lock:
            if not self._over:
                self._over = True
                self._claims.release(self, pipeline)


class Claims:
    """Takes and keeps the claims of this process.

    Args:
        redis: client of the broker.
        keys: spells the keys.
        seconds: length of the lease.
    """

    def __init__(self, redis: Redis, keys: Keys, seconds: float) -> None:
        self.redis = redis
        self._keys = keys
        self._milliseconds = int(seconds * 1000)
        self._take: Any = redis.register_script(_TAKE)
        self._renew: Any = redis.register_script(_RENEW)
        self._release: Any = redis.register_script(_RELEASE)
        self._uncount: Any = redis.register_script(_UNCOUNT)
        self._keeper = _Keeper(seconds / 3)

    @contextmanager
    def take(self, scan_id: str, stage: str, page: int) -> Iterator[Claim | None]:
        """Claim a page for the length of a `with` block; None when somebody else holds it.

        Raises:
            RedisError: the broker failed.
        """
        attempts = self._keys.attempts(scan_id, stage)
        queued, order = self._keys.queued(scan_id, stage), self._keys.order(scan_id, stage)
        claim = Claim(self, self._keys.claim(scan_id, stage, page), attempts, page)
        keys = [claim.key, attempts, queued, order]
        claim.attempt = int(self._take(keys=keys, args=[claim.token, self._milliseconds, page]))
        if not claim.attempt:
            yield None
            return
        with self._keeper.keeping(claim):
            try:
                yield claim
            finally:
                claim.release()

    def renew(self, claim: Claim) -> bool:
        """Lengthen a lease in Redis; False when it is somebody else's by now."""
        return bool(self._renew(keys=[claim.key], args=[claim.token, self._milliseconds]))

    def uncount(self, attempts_key: str, page: int) -> None:
        """Take an attempt back in Redis."""
        self._uncount(keys=[attempts_key], args=[page])

    def release(self, claim: Claim, pipeline: Pipeline | None) -> None:
        """Delete a lease in Redis. A broker that is away just now lets it run out instead."""
        with suppress(RedisError):
            self._release(keys=[claim.key], args=[claim.token], client=pipeline)


class _Keeper:
    """One thread a process that renews the process's claims."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._start_afresh()
        os.register_at_fork(after_in_child=self._start_afresh)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._kept: set[Claim] = set()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keeping(self, claim: Claim) -> Iterator[None]:
        with self._lock:
            self._kept.add(claim)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="claim-keeper", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._kept.discard(claim)

    def _run(self) -> None:
        while True:
            time.sleep(self._interval)
            with self._lock:
                kept = list(self._kept)
            for claim in kept:
                # A broker that is away: the lease has two more thirds to go, and whoever saves asks again.
                with suppress(RedisError):
                    claim.renew()

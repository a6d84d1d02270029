"""A lease in Redis: which process commits a stage's inbox, recovers its pages, or processes a page.

A lease elects, but it does not protect: a holder that is paused until the lease has ended would act beside its
successor. `flock` on storage protects what must not happen twice.
"""

from redis import Redis

from checkpointing.lua import Script

_WIN: Script[int] = Script("checkpointing.win_lease")
_KEEP_FOR: Script[None] = Script("checkpointing.keep_lease_for")


class Lease:
    """The lease on one job. Every method raises RedisError where the broker failed."""

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key

    def win(self, token: str, seconds: float) -> bool:
        """Take the lease, or renew it if it has this token already; return whether it has this token now."""
        return bool(_WIN(self._redis, lease=self._key, token=token, lease_ms=int(seconds * 1000)))

    def keep_for(self, token: str, seconds: float) -> None:
        """Let the lease end so many seconds from now, if it has this token; at once for 0 seconds."""
        _KEEP_FOR(self._redis, lease=self._key, token=token, lease_ms=int(seconds * 1000))

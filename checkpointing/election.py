"""Leader election by a lease in Redis: which process commits a stage's inbox, and which one recovers its pages.

A lease elects, but it does not protect: a holder that is paused until the lease has ended would act beside its
successor. `flock` on storage protects what must not happen twice.
"""

from redis import Redis

from checkpointing.lua import Script

_WIN: Script[int] = Script("checkpointing.win_lease")
_KEEP_FOR: Script[None] = Script("checkpointing.keep_lease_for")


class Election:
    """The election for one job.

    Args:
        redis: client of the broker.
        key: key of the lease.
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key

    def win(self, token: str, seconds: float) -> bool:
        """Take the lease, or renew it if it has this token already.

        Returns:
            Whether the lease has this token now.

        Raises:
            RedisError: the broker failed.
        """
        return bool(_WIN(self._redis, lease=self._key, token=token, lease_ms=_milliseconds(seconds)))

    def keep_for(self, token: str, seconds: float) -> None:
        """Let the lease end so many seconds from now, if it has this token.

        Raises:
            RedisError: the broker failed.
        """
        _KEEP_FOR(self._redis, lease=self._key, token=token, lease_ms=_milliseconds(seconds))


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))

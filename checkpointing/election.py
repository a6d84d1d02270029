"""Elections: which process commits a stage's inbox, and which one looks for its lost pages. A lease in Redis.

A lease elects and does not protect: a holder that is paused past its end would act beside its successor. What must
not happen twice is protected by `flock` on storage.
"""

from redis import Redis

from checkpointing.lua import Script

_WIN: Script[int] = Script("checkpointing.win_lease")
_KEEP_FOR: Script[None] = Script("checkpointing.keep_lease_for")


class Election:
    """The election for one job.

    Args:
        redis: client of the broker.
        key: of the lease.
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key

    def win(self, token: str, seconds: float) -> bool:
        """Take the lease, or renew it where this token holds it already.

        Returns:
            Whether the lease is held with this token now.

        Raises:
            RedisError: the broker failed.
        """
        return bool(_WIN(self._redis, lease=self._key, token=token, lease_ms=_milliseconds(seconds)))

    def keep_for(self, token: str, seconds: float) -> None:
        """Let a lease that this token holds end so many seconds from now.

        Raises:
            RedisError: the broker failed.
        """
        _KEEP_FOR(self._redis, lease=self._key, token=token, lease_ms=_milliseconds(seconds))


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))

"""Elections: which process commits a stage's inbox, and which one looks for its lost pages. A lease in Redis.

A lease elects and does not protect: a holder that is paused past its end would act beside its successor. What must
not happen twice is protected by `flock` on storage.
"""

from typing import Any

from redis import Redis

from checkpointing.key_types import TYPED

# KEYS: lease. ARGV: token, milliseconds. Returns 1 where the lease is held with that token from now on.
_ELECT = (
    TYPED
    + """
local lease, token, milliseconds = KEYS[1], ARGV[1], ARGV[2]
if is_held(lease) then
  if redis.call('GET', lease) ~= token then return 0 end
  redis.call('PEXPIRE', lease, milliseconds)
  return 1
end
redis.call('SET', lease, token, 'PX', milliseconds)
return 1
"""
)
# KEYS: lease. ARGV: token, milliseconds. Changes nothing where another token holds it.
_KEEP_FOR = (
    TYPED
    + """
local lease, token, milliseconds = KEYS[1], ARGV[1], ARGV[2]
if is_held(lease) and redis.call('GET', lease) == token then redis.call('PEXPIRE', lease, milliseconds) end
"""
)


class Election:
    """The election for one job.

    Args:
        redis: client of the broker.
        key: of the lease.
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._key = key
        self._elect: Any = redis.register_script(_ELECT)
        self._keep_for: Any = redis.register_script(_KEEP_FOR)

    def win(self, token: str, seconds: float) -> bool:
        """Take the lease, or renew it where this token holds it already.

        Returns:
            Whether the lease is held with this token now.

        Raises:
            RedisError: the broker failed.
        """
        return bool(self._elect(keys=[self._key], args=[token, max(1, int(seconds * 1000))]))

    def keep_for(self, token: str, seconds: float) -> None:
        """Let a lease that this token holds end so many seconds from now.

        Raises:
            RedisError: the broker failed.
        """
        self._keep_for(keys=[self._key], args=[token, max(1, int(seconds * 1000))])

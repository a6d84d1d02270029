"""Redis keys that hold what Leafmark cannot use: of another type, or locks without an end. They are deleted.

None of the keys is the truth, so deleting one is like a flush of that one key, and is healed the same way. Left in
place it would make every command on it fail, for good. Each script begins with these checks, before its first
effect: what a script did before an error stays done.
"""

from collections.abc import Mapping
from typing import Any, cast

from redis import Redis

# The longest that a worker may be told to hold a claim is an hour (`claim_seconds`), and locks are shorter.
_MOST_LEASE_MS = 2 * 3600 * 1000

TYPED = f"""
-- Delete a key that is not of its type.
local function typed(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end

-- Whether a lock or claim is held. One of another type, without an end, or with one that is years away, is not.
local function is_held(key)
  if redis.call('EXISTS', key) == 0 then return false end
  typed(key, 'string')
  local left = redis.call('PTTL', key)
  if left == -1 or left > {_MOST_LEASE_MS} then redis.call('DEL', key) end
  return redis.call('EXISTS', key) == 1
end
"""

# KEYS: any. ARGV: the type of each. Returns the names of those that were deleted.
_DROP = """
local dropped = {}
for i, key in ipairs(KEYS) do
  local found = redis.call('TYPE', key).ok
  if found ~= ARGV[i] and found ~= 'none' then
    redis.call('DEL', key)
    dropped[#dropped + 1] = key
  end
end
return dropped
"""


def drop_wrong_types(redis: Redis, types: Mapping[str, str]) -> list[str]:
    """Delete the keys that are not of their type, in one step.

    Args:
        redis: client of the broker.
        types: the type that Leafmark gives each key, as Redis names it: `list`, `zset`.

    Returns:
        The keys that were deleted.

    Raises:
        RedisError: the broker failed.
    """
    drop: Any = redis.register_script(_DROP)
    return [key.decode(errors="replace") for key in drop(keys=[*types], args=[*types.values()])]


def find_wrong_types(redis: Redis, types: Mapping[str, str]) -> dict[str, str]:
    """The keys that are not of their type, with the type that they have. Changes nothing.

    Raises:
        RedisError: the broker failed.
    """
    with redis.pipeline(transaction=False) as pipeline:
        for key in types:
            pipeline.type(key)
        found = cast("list[bytes]", pipeline.execute())
    kinds = {key: kind.decode() for key, kind in zip(types, found, strict=True)}
    return {key: kind for key, kind in kinds.items() if kind not in {"none", types[key]}}

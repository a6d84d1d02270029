"""Deletes Redis keys that are of another type than Leafmark gives them.

Every command on such a key would fail. No key is the truth, so deleting one is like a flush of that key, and
recovery restores it in the same way. Scripts make the same check before their first effect
(`scripts/key_types.lua`).
"""

from collections.abc import Mapping
from typing import cast

from redis import Redis

from checkpointing.lua import Script

_DROP: Script[list[bytes]] = Script("checkpointing.drop_wrong_types")


def drop_wrong_types(redis: Redis, types: Mapping[str, str]) -> list[str]:
    """Delete the keys that are not of their type (as Redis names it: `list`, `zset`) in one step, and return them.

    Raises:
        RedisError: the broker failed.
    """
    return [key.decode(errors="replace") for key in _DROP(redis, keys=[*types], types=[*types.values()])]


def find_wrong_types(redis: Redis, types: Mapping[str, str]) -> dict[str, str]:
    """Return the keys that are not of their type, with the type that they have. Changes nothing.

    Raises:
        RedisError: the broker failed.
    """
    with redis.pipeline(transaction=False) as pipeline:
        for key in types:
            pipeline.type(key)
        found = cast("list[bytes]", pipeline.execute())
    kinds = {key: kind.decode() for key, kind in zip(types, found, strict=True)}
    return {key: kind for key, kind in kinds.items() if kind not in {"none", types[key]}}

"""What a server did between two moments, as its INFO tells it."""

from types import TracebackType
from typing import Any, Self

from redis import Redis


class ServerLoad:
    """A `with` block in which a server's load is counted.

    Args:
        redis: client of the server; its own two questions are counted too.

    Attributes:
        commands: how many it ran.
        cpu_seconds: CPU it used, in all its threads.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.commands = 0
        self.cpu_seconds = 0.0

    def __enter__(self) -> Self:
        self._before = self._read()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None
    ) -> None:
        after = self._read()
        self.commands = int(after[0] - self._before[0])
        self.cpu_seconds = after[1] - self._before[1]

    def _read(self) -> tuple[float, float]:
        info: dict[str, Any] = self._redis.info("everything")
        return info["total_commands_processed"], info["used_cpu_user"] + info["used_cpu_sys"]

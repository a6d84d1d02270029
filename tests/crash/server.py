"""The server that a scene shares with its processes: which of them it still hears."""

from typing import Any

from redis import Redis

from tests.support.waiting import wait_until


class Server:
    """A real server, as the test sees it.

    Args:
        redis: the test's own client.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._known: set[str] = set()

    @property
    def url(self) -> str:
        options: dict[str, Any] = self.redis.connection_pool.connection_kwargs
        return f"redis://{options['host']}:{options['port']}/{options['db']}"

    def empty(self) -> None:
        """Empty it, and remember who is connected: any other is the process that will die."""
        self.redis.flushdb()
        self._known = self._clients()

    def hear_the_dead_out(self) -> None:
        """Wait until it has read all that a dead process had sent."""
        wait_until(self._is_done, 10, "the server to be done with the dead process")

    def _is_done(self) -> bool:
        # Asking takes long enough by itself: it is done within a millisecond.
        return any(self._knows_everybody() for _ in range(100))

    def _knows_everybody(self) -> bool:
        # Twice, because it may accept a connection after it has answered our first question.
        return all(self._clients() <= self._known for _ in range(2))

    def _clients(self) -> set[str]:
        clients: Any = self.redis.client_list()
        return {client["id"] for client in clients}

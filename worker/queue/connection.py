"""How every client connects to Redis: ours and Celery's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.config.redis_url import socket_options_of

if TYPE_CHECKING:
    from redis import Redis

    from worker.config.settings import Settings

SOCKET_TIMEOUT_SECONDS = 10.0


def socket_options(redis_url: str) -> dict[str, Any]:
    """Return the socket options of every connection to Redis.

    Without a timeout and health checks workers stop hearing messages after a restart of Redis (celery #7800).
    """
    options: dict[str, Any] = {"socket_timeout": SOCKET_TIMEOUT_SECONDS, "health_check_interval": 15}
    if not redis_url.startswith("unix:"):
        options |= {"socket_connect_timeout": SOCKET_TIMEOUT_SECONDS, "socket_keepalive": True}
    # Celery's client does not read them from the address.
    return options | socket_options_of(redis_url)


def connect(settings: Settings, *, retry_timeouts: bool = True) -> Redis:
    """Return a client of Redis. Its first command connects.

    With `retry_timeouts`, a command that a server accepted and did not answer is repeated.
    """
    from redis import Redis
    from redis.backoff import ExponentialBackoff
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import TimeoutError as RedisTimeoutError
    from redis.retry import Retry

    from worker.queue.broker import tls_options

    retried = (RedisConnectionError, RedisTimeoutError) if retry_timeouts else (RedisConnectionError,)
    client: Redis = Redis.from_url(
        settings.redis_url,
        **socket_options(settings.redis_url),
        **tls_options(settings.redis_url),
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), retries=3, supported_errors=retried),
        retry_on_error=list(retried),
    )
    return client

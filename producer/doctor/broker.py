"""Check Redis: response time, version, clock, persistence, memory and password. Changes nothing in it."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError

from checkpointing.errors import BrokerError, in_one_line
from producer.doctor.check import Area, Check, Reporter, clock_difference
from worker.config.settings import Settings
from worker.preflight import check_broker
from worker.queue.broker import celery_settings
from worker.queue.connection import connect

_PINGS = 5
_SLOW_MS = 20.0
_FULL, _ALMOST_FULL = 0.95, 0.8
# The first version with LPOS, which the queue uses.
_OLDEST = (6, 0, 6)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_report = Reporter(Area.REDIS)


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """What a server reports about itself.

    Attributes:
        info: the reply to `INFO`; empty if the user may not call it.
        ping_ms: median response time, in milliseconds.
        ahead_seconds: how far its clock is ahead of the clock of this machine; negative if it is behind.
    """

    info: Mapping[str, Any]
    ping_ms: float
    ahead_seconds: float


def examine_broker(settings: Settings) -> Iterator[Check]:
    """Check the broker. Changes nothing in it."""
    try:
        check_broker(settings)
        with connect(settings, retry_timeouts=False) as client:
            facts = ask_broker(client)
    except BrokerError as error:
        yield _report.failed("answers", error)
        return
    except (RedisError, OSError) as error:
        yield _report.problem(
            "answers", f"a call to Redis failed ({in_one_line(str(error))})", "check the log of Redis"
        )
        return
    yield from judge_broker(facts)
    yield from check_password(settings.redis_url)


def ask_broker(client: Redis) -> BrokerFacts:
    """Return what a server reports about itself.

    Raises:
        RedisError: the server failed.
    """
    pings = []
    for _ in range(_PINGS):
        started = time.monotonic()
        client.ping()
        pings.append((time.monotonic() - started) * 1000)
    before = time.time()
    seconds, micros = client.time()
    ours = (before + time.time()) / 2
    try:
        info: dict[str, Any] = client.info()
    except RedisError:
        info = {}
    return BrokerFacts(info, median(pings), seconds + micros / 1e6 - ours)


def judge_broker(facts: BrokerFacts) -> Iterator[Check]:
    """Yield the checks of what a server reports about itself."""
    name = "valkey" if "valkey_version" in facts.info else "redis"
    version = str(facts.info.get("valkey_version") or facts.info.get("redis_version") or "")
    what = f"{f'{name} {version}, ' if version else ''}answers in {facts.ping_ms:.1f} ms"
    if version and _numbers(version) < _OLDEST:
        yield _report.problem("answers", what, f"install version {'.'.join(map(str, _OLDEST))} or later")
    elif facts.ping_ms > _SLOW_MS:
        yield _report.warning("answers", what, "every page needs a dozen calls; move Redis closer to the workers")
    else:
        yield _report.ok("answers", what)
    if difference := clock_difference(facts.ahead_seconds):
        yield _report.warning(
            "clock", f"its clock is {difference}", "synchronize the clocks of both machines with NTP"
        )
    else:
        yield _report.ok("clock", "its clock agrees with the clock of this machine")
    if not facts.info:
        yield _report.warning(
            "info", "the command INFO is not allowed", "allow it, so that persistence and memory can be checked"
        )
        return
    yield from _judge_kind(facts.info)
    yield from _judge_persistence(facts.info)
    yield from _judge_memory(facts.info)


def check_password(redis_url: str) -> Iterator[Check]:
    """Check that a server on another machine requires a password."""
    url = str(celery_settings(redis_url)["broker_url"])
    if redis_url.startswith("unix:"):
        yield _report.ok("password", "a Unix socket: access is controlled by the mode of its file")
    elif (urlsplit(url).hostname or "localhost") in _LOOPBACK:
        yield _report.ok("password", "Redis is on this machine")
    elif urlsplit(url).password:
        yield _report.ok("password", "Redis is on another machine, with a password")
    else:
        yield _report.warning(
            "password",
            "Redis is on another machine, and LEAFMARK_REDIS_URL has no password",
            "set `requirepass` there and the password in LEAFMARK_REDIS_URL, unless its network is private",
        )


def _judge_kind(info: Mapping[str, Any]) -> Iterator[Check]:
    if info.get("role") in {"slave", "replica"}:
        yield _report.problem(
            "role", "Redis is a replica, which refuses writes", "set LEAFMARK_REDIS_URL to its primary"
        )
    if info.get("cluster_enabled"):
        yield _report.problem(
            "cluster", "Redis is a cluster, which Leafmark does not support", "use a single server"
        )
    if info.get("loading"):
        yield _report.warning("loading", "Redis is loading its data", "wait until it has finished")


def _judge_persistence(info: Mapping[str, Any]) -> Iterator[Check]:
    if not info.get("aof_enabled"):
        yield _report.warning(
            "persistence",
            "the append-only file is off: after a restart waiting pages are enqueued again, which takes time",
            "set `appendonly yes`",
        )
    elif info.get("aof_last_write_status", "ok") != "ok":
        yield _report.problem(
            "persistence", "Redis cannot write its append-only file", "check its disk and its log"
        )
    else:
        yield _report.ok("persistence", "the append-only file is on")


def _judge_memory(info: Mapping[str, Any]) -> Iterator[Check]:
    policy, most, used = (
        info.get("maxmemory_policy"),
        int(info.get("maxmemory", 0)),
        int(info.get("used_memory", 0)),
    )
    if policy and policy != "noeviction":
        yield _report.problem(
            "eviction", f"maxmemory-policy is {policy}: Redis may evict the queue", "set it to noeviction"
        )
    else:
        yield _report.ok("eviction", "no key is evicted")
    share = used / most if most else 0.0
    what = f"{used / 1e6:.0f} MB used" + (f" of {most / 1e6:.0f} MB" if most else ", without a limit")
    if share > _FULL:
        yield _report.problem("memory", what, "raise `maxmemory`; when it is reached, no page can be enqueued")
    elif share > _ALMOST_FULL:
        yield _report.warning("memory", what, "raise `maxmemory` before it is reached")
    else:
        yield _report.ok("memory", what)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())

"""What a worker shows at each scrape: the counts of its processes, and gauges of the deployment from Redis.

If the broker is away, the gauges are missing, but the worker's counts are scraped as usual.
"""

import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from checkpointing.errors import InputError, LeafmarkError
from checkpointing.refs import StageRef
from worker.config.settings import Settings
from worker.queue.broker import tls_options
from worker.queue.client import QueueClient
from worker.queue.connection import socket_options
from worker.stages.registry import STAGES
from worker.storage.book_store import BookStore
from worker.telemetry.metrics import definitions as defined
from worker.telemetry.metrics.definitions import Definition

# By default Prometheus gives up after 10 s, and would lose the counters too.
_TIMEOUT_SECONDS = 2.0


def make_registry(folder: Path, gauges: Collector) -> CollectorRegistry:
    """Return all metrics of a worker: the counts in its folder, and the gauges of the deployment."""
    registry = CollectorRegistry(auto_describe=False)
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # half typed
    registry.register(gauges)
    return registry


def connect_with_short_timeouts(settings: Settings) -> Redis:
    """Return a client of the broker that fails early instead of delaying a scrape."""
    options = socket_options(settings.redis_url)
    seconds = {name: _TIMEOUT_SECONDS for name in options if name.endswith("timeout")}
    client: Redis = Redis.from_url(
        settings.redis_url, **options | seconds, **tls_options(settings.redis_url), retry=Retry(NoBackoff(), 0)
    )
    return client


class Readings(Collector):
    """Gauges of one deployment, and the version of this worker.

    The client of the broker has short timeouts. `budget_of` returns the budget of a scan and what it has spent, in
    USD; None where either is unknown.
    """

    def __init__(
        self, store: BookStore, queues: QueueClient, budget_of: Callable[[str], tuple[float, float] | None]
    ) -> None:
        self._store = store
        self._broker = queues
        self._budget_of = budget_of

    def collect(self) -> Iterator[Any]:
        """Read all gauges."""
        found: list[Any] = []
        up = 1
        try:
            found = [*self._queues(), *self._budgets()]
        except RedisError:
            up = 0
        yield from found
        yield _family(defined.BROKER_UP, {(): up})
        yield _family(defined.BUILD, {(version("leafmark"), platform.python_version()): 1})

    def _queues(self) -> Iterator[Any]:
        redis, keys = self._broker.redis, self._broker.keys
        names = [name.decode(errors="replace") for name in cast("set[bytes]", redis.smembers(keys.inboxes))]
        inboxes = {keys.inbox(ref): ref.stage for ref in _refs(names) if ref.stage in STAGES}
        yield self._lengths(defined.INBOX, "XLEN", inboxes)
        queues = {queue: stage for stage in STAGES for queue in self._broker.all_queues(stage)}
        turns = {queue: cast("list[bytes]", redis.lrange(keys.turns(queue), 0, -1)) for queue in queues}
        waiting = (
            f"{name.decode(errors='replace')}/{stage}" for queue, stage in queues.items() for name in turns[queue]
        )
        # By key: a scan that is in the list twice must not count twice.
        yield self._lengths(defined.WAITING, "ZCARD", {keys.waiting(ref): ref.stage for ref in _refs(waiting)})
        yield self._lengths(defined.WINDOW, "LLEN", {keys.queue(queue): stage for queue, stage in queues.items()})

    def _budgets(self) -> Iterator[Any]:
        budgets: dict[tuple[str, ...], float] = {}
        left: dict[tuple[str, ...], float] = {}
        with suppress(OSError, LeafmarkError):
            for scan_id in sorted({ref.scan_id for ref in self._store.open_stages.all() if ref.stage in STAGES}):
                # A budget that cannot be read must not hide the budgets of other scans.
                with suppress(OSError, LeafmarkError):
                    known = self._budget_of(scan_id)
                    if known is not None:
                        budget, spent = known
                        budgets[scan_id,] = budget
                        left[scan_id,] = budget - spent
        yield _family(defined.BUDGET, budgets)
        yield _family(defined.BUDGET_LEFT, left)

    def _lengths(self, definition: Definition, command: str, stages: dict[str, str]) -> Any:
        """Return what a command counts in keys, given with their stages, as the sum for each stage.

        A stage without keys, and a forged key of the wrong type, count as 0.
        """
        with self._broker.redis.pipeline(transaction=False) as pipeline:
            for key in stages:
                pipeline.execute_command(command, key)  # type: ignore[no-untyped-call]  # half typed
            found = pipeline.execute(raise_on_error=False)
        sums: dict[tuple[str, ...], float] = {(stage,): 0 for stage in STAGES}
        for stage, length in zip(stages.values(), found, strict=True):
            if not isinstance(length, RedisError):
                sums[stage,] += int(length)
            elif "WRONGTYPE" not in str(length):
                raise length
        return _family(definition, sums)


def _refs(names: Iterable[str]) -> Iterator[StageRef]:
    """Yield the stages that names of Redis speak of, without those that are forged."""
    for name in names:
        with suppress(InputError):
            yield StageRef.parse(name)


def _family(definition: Definition, samples: dict[tuple[str, ...], float]) -> Any:
    family = GaugeMetricFamily(definition.name, definition.meaning, labels=definition.labels)
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family

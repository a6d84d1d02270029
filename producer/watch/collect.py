"""Collect snapshots from checkpoints, Redis and the workers; Redis and the workers never delay a snapshot.

Checkpoints are read by the caller's thread when they have changed. Threads poll everything that may be slow: the
claims every second, the workers every few seconds, expected costs and the other scans rarely.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Generic, Self, TypeVar

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import LeafmarkError
from checkpointing.refs import StageRef
from producer.watch.snapshot import Snapshot, StageSnapshot, Workers
from producer.watch.sources import ask_workers, claimed_pages, count_other_scans, expected_usd_per_page
from producer.watch.stage_reader import StageReader
from worker.deployment import Deployment
from worker.stages.registry import STAGES
from worker.storage.book_store import BookStore

MAX_STAGES = 24
"""Number of stages shown; the checkpoint of each is read and kept in memory."""
_CLAIMS_SECONDS = 1.0
_WORKERS_SECONDS = 3.0
_EXPECTED_SECONDS = 60.0
_OTHER_SCANS_SECONDS = 30.0
# A server that accepts a connection and then stays silent raises no error, but its last answer is out of date.
_STALE_SECONDS = 6.0
# How long `collect_once` waits for the first answer of each source.
_FIRST_ANSWERS_SECONDS = 8.0
_POLL_SECONDS = 0.02
# Polling takes at most a tenth of one core.
_PAUSE_FACTOR = 9

T = TypeVar("T")

StageSelection = Callable[[], list[StageRef]]
"""Returns the stages to show. Called for each snapshot, because stages begin and end in the meantime."""


def stages_of_scan(store: BookStore, scan_id: str) -> StageSelection:
    """Select the stages of a scan that have begun, in pipeline order; the first stage before any has."""

    def select() -> list[StageRef]:
        begun = [name for name in STAGES if store.scan(scan_id).checkpoint_path(name).exists()]
        return [StageRef(scan_id, name) for name in begun or [next(iter(STAGES))]]

    return select


def stages_under_way(store: BookStore) -> StageSelection:
    """Select all stages under way and, up to `MAX_STAGES`, those that have ended since they were selected."""
    seen: dict[StageRef, None] = {}

    def select() -> list[StageRef]:
        order = list(STAGES)
        current = sorted(
            (ref for ref in store.open_stages.all() if ref.stage in order),
            key=lambda ref: (ref.scan_id, order.index(ref.stage)),
        )
        seen.update(dict.fromkeys(current))
        ended = [ref for ref in seen if ref not in current][: max(0, MAX_STAGES - len(current))]
        # The stages of a scan stay adjacent, and a scan does not move when one of its stages ends.
        scans = list(dict.fromkeys(ref.scan_id for ref in [*current, *ended]))
        return sorted([*current, *ended], key=lambda ref: (scans.index(ref.scan_id), order.index(ref.stage)))

    return select


class Poller(Generic[T]):
    """Calls a function repeatedly for the length of a `with` block and keeps its latest result.

    The thread is not joined at the end: the source may never answer.

    Args:
        read: returns the value; an exception becomes `problem`.
        seconds: pause between two calls.
        initial: value of `latest` before the first call has ended.

    Attributes:
        latest: the latest result.
        problem: why the last call failed; empty if it succeeded.
        succeeded: whether any call has succeeded yet.
    """

    def __init__(self, read: Callable[[], T], seconds: float, initial: T) -> None:
        self._read = read
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)
        self._ended_at = time.monotonic()
        self.latest = initial
        self.problem = ""
        self.succeeded = False

    @property
    def has_ended_once(self) -> bool:
        """Whether any call has ended, with a result or an exception."""
        return self.succeeded or bool(self.problem)

    @property
    def age(self) -> float:
        """Seconds since the last call ended; since the start before any has."""
        return time.monotonic() - self._ended_at

    def poll(self) -> None:
        """Call the function once, in the calling thread."""
        try:
            self.latest = self._read()
            self.succeeded, self.problem = True, ""
        except Exception as error:  # noqa: BLE001  # whatever fails, the view goes on and shows the problem
            self.problem = str(error) or type(error).__name__
        self._ended_at = time.monotonic()

    def __enter__(self) -> Self:
        self._ended_at = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def _run(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            began = time.thread_time()
            self.poll()
            pause = max(self._seconds, _PAUSE_FACTOR * (time.thread_time() - began))


class Collector:
    """Makes snapshots, for the length of a `with` block; `with_other_scans` also counts the scans not shown."""

    def __init__(self, deployment: Deployment, select: StageSelection, *, with_other_scans: bool = False) -> None:
        self._deployment = deployment
        self._select = select
        self._readers: dict[StageRef, StageReader] = {}
        self._stages: dict[StageRef, StageSnapshot] = {}
        no_claims: dict[StageRef, frozenset[int]] = {}
        no_costs: dict[StageRef, float] = {}
        self._workers = Poller(self._ask_workers, _WORKERS_SECONDS, Workers())
        self._claims = Poller(self._read_claims, _CLAIMS_SECONDS, no_claims)
        self._expected = Poller(self._read_expected, _EXPECTED_SECONDS, no_costs)
        self._other_scans = Poller(self._read_other_scans if with_other_scans else str, _OTHER_SCANS_SECONDS, "")
        # The workers first: the claims of the pages that they report are read too.
        self._pollers: tuple[Poller[Any], ...] = (self._workers, self._claims, self._expected, self._other_scans)
        self._threads = ExitStack()

    def __enter__(self) -> Self:
        # The pollers ask about the stages of the latest snapshot.
        self.snapshot()
        for poller in self._pollers:
            self._threads.enter_context(poller)
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.close()

    def collect_once(self) -> Snapshot:
        """Return a snapshot after each source has answered or failed. Replaces the `with` block."""
        deadline = time.monotonic() + _FIRST_ANSWERS_SECONDS
        with self:
            while not all(poller.has_ended_once for poller in self._pollers) and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            return self.snapshot()

    def feed(self, checkpoint: Checkpoint) -> None:
        """Take a checkpoint from a caller that reads its file whenever it changes; it is not read here as well."""
        self._reader(checkpoint.ref).feed(checkpoint)

    def snapshot(self) -> Snapshot:
        """Return what is known now. Waits only for the storage."""
        try:
            refs, problem = self._select(), ""
        except OSError as error:
            refs, problem = list(self._stages), str(error)
        shown = refs[:MAX_STAGES]
        redis_problem = self._redis_problem()
        claims = None if redis_problem or not self._claims.succeeded else self._claims.latest
        for ref in self._stages.keys() - set(refs):
            del self._stages[ref], self._readers[ref]
        for ref in shown:
            try:
                self._stages[ref] = self._stage(ref, claims)
            except (OSError, LeafmarkError) as error:
                problem = str(error)
        return Snapshot(
            stages=tuple(self._stages[ref] for ref in shown if ref in self._stages),
            more_stages=len(refs) - len(shown),
            workers=self._workers.latest,
            redis_problem=redis_problem,
            storage_problem=problem,
            other_scans=self._other_scans.latest,
            at=time.time(),
        )

    def _stage(self, ref: StageRef, claims: Mapping[StageRef, frozenset[int]] | None) -> StageSnapshot:
        claimed = None if claims is None else claims.get(ref, frozenset())
        stage = self._reader(ref).snapshot(claimed, self._expected.latest.get(ref))
        lacking = self._workers.latest.lacking.get(ref)
        return replace(stage, waits_for=lacking) if lacking else stage

    def _reader(self, ref: StageRef) -> StageReader:
        if ref not in self._readers:
            self._readers[ref] = StageReader(self._deployment.store, ref)
        return self._readers[ref]

    def _redis_problem(self) -> str:
        problem = self._claims.problem or self._workers.problem
        if problem:
            return problem
        return f"no answer for {self._claims.age:.0f} s" if self._claims.age > _STALE_SECONDS else ""

    def _ask_workers(self) -> Workers:
        parts = self._deployment
        return ask_workers(parts.queues, parts.workers, parts.settings, list(self._stages))

    def _read_claims(self) -> dict[StageRef, frozenset[int]]:
        # Also of a stage that is paused, where workers finish the pages in flight.
        pending = [ref for ref, stage in list(self._stages.items()) if stage.waiting or stage.in_flight]
        return claimed_pages(self._deployment.queues, pending, self._workers.latest.tasks)

    def _read_expected(self) -> dict[StageRef, float]:
        states = {
            ref: stage.states
            for ref, stage in list(self._stages.items())
            if stage.under_way and self._deployment.store.stages.get(stage.stage).uses_model
        }
        return expected_usd_per_page(self._deployment.store, states)

    def _read_other_scans(self) -> str:
        return count_other_scans(self._deployment.store.root, {ref.scan_id for ref in list(self._stages)})

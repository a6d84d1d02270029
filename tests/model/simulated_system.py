"""The ground that the processes stand on: storage, server and clock in our hands, and how something is done.

All in one thread: while one process is paused at a point, others act.
"""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer
from redis.exceptions import RedisError

from checkpointing.errors import LeafmarkError
from tests.model.clock import Clock
from tests.model.judge import Judge
from tests.model.points import Points
from tests.model.runs import Runs
from tests.model.shaky_redis import ShakyRedis
from tests.model.steps import Action, Killed, Step
from tests.support.fake_deployment import REF, SCAN, STAGE, write_scan
from tests.support.stages import StampStage
from worker.app import make_app
from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.keys import Keys
from worker.pipeline.coordinators import make_coordinator
from worker.reconciler.reconciler import Reconciler
from worker.stages.registry import STAGES

PAGES = 3
PROCESSES = 3
LEASE_SECONDS = 9.0
# How fine the storage's clock is: so fine that no two writes share a time.
_STORAGE_TICK_NS = 10_000_000
_TROUBLE = (OSError, LeafmarkError, RedisError)


@cache
def _app() -> Any:
    """Makes messages; nothing in them depends on the deployment."""
    return make_app(Settings())


class Process:
    """One worker's process: what it remembers dies with it."""

    def __init__(self, settings: Settings, server: FakeServer, points: Points) -> None:
        redis = ShakyRedis(server=server)
        redis.points = points
        self.parts = Deployment(settings, _app(), redis)
        self.reconciler = Reconciler(self.parts.store, self.parts.queues, self.parts.calls)
        self.coordinator = make_coordinator(self.parts.store, self.parts.queues, REF)


class SimulatedSystem:
    """One book on one storage, one server, and the processes of three workers.

    Attributes:
        judge: looks at every write.
        runs: looks at every run of the stage.
        asked: pages that somebody asked for.
        cursed: pages that the stage cannot do, with how it fails.
        good: the last valid output of each page.
        managed: whether a single process asked for pages last, of which no reconciler knows.
    """

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.server = FakeServer()
        self.root = root
        self.steps = 0
        self._patch = patch
        self._prepare()
        self.scan = write_scan(root, SCAN, PAGES)
        self.settings = Settings(storage_root=root, claim_seconds=LEASE_SECONDS, max_attempts=2)
        self.redis = FakeRedis(server=self.server)
        self.points = Points(self.do, self._flush, self._look, self.clock.sleep)
        self.processes = [Process(self.settings, self.server, self.points) for _ in range(PROCESSES)]
        outputs = self.processes[0].parts.store.outputs(REF)
        self._output_path = outputs.path_of
        self._checkpoint_path = self.processes[0].parts.store.checkpoint_file(REF).path
        self.judge = Judge(
            self._checkpoint_path,
            self._output_path,
            self.redis,
            Keys(self.settings.key_prefix).inbox(REF),
            self.points.done_steps,
            PAGES,
        )
        self.runs = Runs(self.judge, self.points.done_steps, self.clock, self.settings.max_attempts, LEASE_SECONDS)
        self.good: dict[int, bytes] = {}
        self.managed = False
        self.asked: set[int] = set()
        self.cursed: dict[int, str] = {}
        self._hook_storage()

    def do(self, action: Action) -> None:
        self.steps += 1
        getattr(self, action.verb)(**action.arguments)

    def _step(self, step: Step, work: Callable[[], object], who: int | None = None) -> bool:
        """Do something as a process does; False when something went wrong that was to go wrong."""
        self.judge.begin(step)
        with self.points.doing(step):
            try:
                work()
            except Killed:
                if who is not None:
                    self.processes[who] = Process(self.settings, self.server, self.points)
                return False
            except _TROUBLE as error:
                expected = step.struck or len(self.points.done_steps) > 1
                self.judge.insist(expected, f"{type(error).__name__}: {error}")
                return False
            finally:
                self._look()
        return True

    def _flush(self, restart: bool) -> None:
        self.redis.flushall()
        if restart:
            self.redis.script_flush()
        self.judge.flushed()
        self.runs.flushed()

    def _look(self, executed: bool = True) -> None:
        self.judge.look()
        if executed:
            self.judge.look_into_inbox()

    def _prepare(self) -> None:
        self.clock.rule(self._patch)
        self._stage = StampStage()
        self._patch.setitem(STAGES, STAGE, self._stage)
        # The fake broker has no address; leases are renewed by nobody in a process that is paused.
        self._patch.setattr("producer.planning.preconditions.check_broker", bool)
        self._patch.setattr("worker.queue.claims._Renewer._run", lambda _renewer: None)

    def _hook_storage(self) -> None:
        replace, open_ = os.replace, os.open

        def opened(path: Any, *arguments: Any, **options: Any) -> int:
            if str(path).endswith(".lock"):
                self.points.before_lock()
            return open_(path, *arguments, **options)

        def watched(source: Any, target: Any) -> None:
            if Path(target) == self._checkpoint_path:
                tick = int(self.clock.now * 1e9) // _STORAGE_TICK_NS
                moment = tick * _STORAGE_TICK_NS
                os.utime(source, ns=(moment, moment))
                replace(source, target)
                self.judge.written()
                return
            page = self._page_of(target)
            if page:
                self.runs.saves(page, self._claim_of(page))
            replace(source, target)
            if page and self.judge.valid_output(page):
                self.good[page] = Path(target).read_bytes()
            for changed in filter(None, {page, self._page_of(source)}):
                self.judge.touched(changed)

        self._patch.setattr(os, "replace", watched)
        self._patch.setattr(os, "fsync", self.points.fsync)
        self._patch.setattr(os, "open", opened)

    def _page_of(self, path: Any) -> int | None:
        """Of an output."""
        return next((page for page in range(1, PAGES + 1) if self._output_path(page) == Path(path)), None)

    def _claim_of(self, page: int) -> Any:
        """Who holds a page."""
        return self.redis.get(Keys(self.settings.key_prefix).claim(REF, page))

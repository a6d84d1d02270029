"""The reconciler: commits inboxes, keeps the queue's window filled, and recovers lost pages.

Every worker has one, in a process of its own (`worker.reconciler.process`). Redis locks elect the one that acts, so
that another takes over when a worker dies.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, cast

import structlog
from redis.exceptions import RedisError, ResponseError

from checkpointing.errors import InputError, InUseError, LeafmarkError, UnknownNameError
from checkpointing.identity import process_name
from checkpointing.key_types import drop_wrong_types
from checkpointing.refs import StageRef
from checkpointing.run_ids import trace_id_of
from worker.billing.model_calls import ModelCalls
from worker.pipeline.coordinators import make_coordinator
from worker.pipeline.stage_flow import feed
from worker.preflight import without_password
from worker.queue.client import QueueClient
from worker.reconciler.dedicated_queues import Consume, DedicatedQueues
from worker.reconciler.recovery import PageRecovery
from worker.stages.registry import STAGES
from worker.storage.book_store import BookStore
from worker.storage.root_marker import NotALibraryError
from worker.storage.root_owner import BEAT_SECONDS, Membership, join
from worker.telemetry import tracing
from worker.telemetry.metrics.events import metrics

TICK_SECONDS = 0.1
FORGET_SECONDS = 120.0
_BACK_OFF_SECONDS = 1.0
_LAST_COMMIT_SECONDS = 5.0
_PAUSE_FACTOR = 9
_SLICE_SECONDS = 0.5
# A worker without a heartbeat for fifteen seconds counts as gone (`worker.queue.dispatch`).
_MAX_BEAT_SECONDS = 5.0
_TRANSIENT_ERRORS = (OSError, LeafmarkError, RedisError)

log = structlog.get_logger("leafmark.reconciler")


class Reconciler:
    """Commits completions and recovers lost pages.

    Args:
        serves: maximum number of pages that this worker processes at once, for each stage that it serves.
        membership: of this worker in the deployment that owns the storage root; None if the root has no marker yet.
        joins: whether to join the deployment once the storage root has a marker.
        consume: has the worker take messages from a dedicated queue, or no more.
    """

    def __init__(
        self,
        store: BookStore,
        queues: QueueClient,
        calls: ModelCalls,
        serves: Mapping[str, int] | None = None,
        membership: Membership | None = None,
        *,
        joins: bool = False,
        consume: Consume | None = None,
    ) -> None:
        self._joins = joins
        self._store = store
        self._queues = queues
        self._calls = calls
        self._membership = membership
        if membership is not None:
            # Two processes cannot share the connections of the one that forked.
            membership.use(queues.redis)
        self._beat_root_at = 0.0
        self._serves = serves or {}
        self._dedicated = DedicatedQueues(store.stages, queues, self._serves, consume) if consume else None
        self._recovery = PageRecovery(store, queues, calls)
        self._beat_at = self._recover_at = 0.0
        self._stages_to_recover: list[StageRef] = []
        self._missing_since: dict[str, float] = {}

    def run(self, wait: Callable[[float], bool]) -> None:
        """Commit and recover until `wait` returns True, then commit what is left in the inboxes.

        `wait` waits for a number of seconds, and returns True when it is time to stop.

        Raises:
            InUseError: another deployment is at work on the storage root; the worker must stop.
        """
        while not wait(TICK_SECONDS):
            try:
                self.commit_inboxes()
                self._beat_when_due()
                if self._dedicated is not None:
                    self._dedicated.serve_when_due()
                self._recover_when_due()
                self._beat_root_when_due()
            except InUseError:
                raise
            except _TRANSIENT_ERRORS as error:
                log.warning("reconciler waits", error=str(error))
                if wait(_BACK_OFF_SECONDS):
                    break
        self._commit_the_rest()

    def commit_inboxes(self) -> bool:
        """Merge the entries of each inbox that no other process is merging; return whether any may still have some.

        Raises:
            OSError, LeafmarkError, RedisError: storage or broker failed.
        """
        redis, index = self._queues.redis, self._queues.keys.inboxes
        try:
            names = cast("set[bytes]", redis.smembers(index))
        except ResponseError:
            if not self._drop_unusable_keys():
                raise
            # The inboxes are listed again by the next hand-over, and by `recover`.
            return True
        if names:
            # Otherwise each inbox would log the same error, ten times a second.
            self._store.library.check()
        for name in names:
            inbox = name.decode(errors="replace")
            with self._isolated(inbox):
                try:
                    self._commit(StageRef.parse(inbox))
                except (UnknownNameError, InputError) as error:
                    if self._is_gone(inbox, error):
                        redis.srem(index, name)
        # Most reconcilers are idle most of the time: an idle one sends a single command.
        return bool(names) and bool(redis.scard(index))

    def recover(self) -> None:
        """Record the heartbeat of this worker, and recover the lost pages of every open stage.

        Raises:
            OSError, LeafmarkError, RedisError: storage or broker failed.
        """
        self._beat()
        for ref in self._store.open_stages.all():
            self._recover_stage(ref)

    def _drop_unusable_keys(self) -> list[str]:
        """Delete those keys shared by all scans that have a wrong type."""
        keys = self._queues.keys
        types = keys.types_of_deployment()
        for stage in STAGES:
            types |= keys.types_of_queue(stage)
        dropped = drop_wrong_types(self._queues.redis, types)
        if dropped:
            log.warning("keys of a wrong type deleted", keys=dropped)
        return dropped

    def _beat(self) -> None:
        self._drop_unusable_keys()
        for stage, slots in self._serves.items():
            with self._isolated(f"/{stage}"):
                self._queues.dispatch(stage).record_heartbeat(process_name(), slots)
                self._update_outage_note(stage)

    def _update_outage_note(self, stage: str) -> None:
        """Write to storage whether the model answers, for commands that only read files."""
        settings = self._store.settings
        model = settings.model(stage)
        if model:
            silence = self._calls.breaker(model).silence()
            self._store.outage_notes.update(stage, settings.provider, model, silence)

    def _recover_stage(self, ref: StageRef) -> None:
        with self._isolated(str(ref)):
            try:
                self._recover(ref)
            except (UnknownNameError, InputError) as error:
                if self._is_gone(str(ref), error):
                    self._store.open_stages.remove(ref)

    def _commit(self, ref: StageRef) -> None:
        self._store.metadata(ref.scan_id)
        self._missing_since.pop(str(ref), None)
        coordinator = make_coordinator(self._store, self._queues, ref)
        commit = coordinator.commit()
        if commit is None:
            coordinator.inbox.update_listing()
            return
        settled = [*commit.completed, *commit.failed]
        about: dict[str, Any] = {"scan_id": ref.scan_id, "stage": ref.stage}
        counts: dict[str, Any] = {"completed": len(commit.completed), "quarantined": len(commit.failed)}
        log.info(
            "checkpoint committed",
            **about,
            **counts,
            rejected=commit.rejected,
            seconds=round(commit.seconds, 4),
            summary=commit.summary,
            runs=[trace_id_of(run) for run in commit.runs],
        )
        tracing.record("commit", commit.seconds, runs=commit.runs, **about, **counts)
        metrics().committed(ref.stage, commit.seconds, len(settled))
        fed = feed(self._store, self._queues, ref, settled)
        if fed:
            log.info("pages flow on", **about, **fed)

    def _recover(self, ref: StageRef) -> None:
        recovered = self._recovery.recover(ref)
        self._missing_since.pop(str(ref), None)
        if recovered.adopted or recovered.enqueued:
            metrics().recovered(ref.stage, len(recovered.enqueued), len(recovered.adopted))
            log.warning(
                "lost pages healed",
                scan_id=ref.scan_id,
                stage=ref.stage,
                adopted=recovered.adopted,
                enqueued=recovered.enqueued,
            )

    def _is_gone(self, name: str, error: LeafmarkError) -> bool:
        """Return whether a scan is missing for good. A network file system's cache may hide one for a while."""
        since = self._missing_since.setdefault(name, time.monotonic())
        if time.monotonic() - since < FORGET_SECONDS:
            return False
        scan_id, _, stage = name.partition("/")
        log.error("reconciler drops a stage", scan=scan_id, stage=stage, error=str(error))
        return True

    @contextmanager
    def _isolated(self, name: str) -> Iterator[None]:
        """Log an error about one stage: a folder that cannot be written or a forged key holds up no other stage.

        The name, `<scan_id>/<stage>`, may be forged.
        """
        scan_id, _, stage = name.partition("/")
        try:
            yield
        except (OSError, LeafmarkError, ResponseError) as error:
            log.warning("reconciler passes over a stage", scan=scan_id, stage=stage, error=str(error))

    def _commit_the_rest(self) -> None:
        deadline = time.monotonic() + _LAST_COMMIT_SECONDS
        with suppress(*_TRANSIENT_ERRORS):
            while self.commit_inboxes() and time.monotonic() < deadline:
                time.sleep(TICK_SECONDS)

    def _beat_when_due(self) -> None:
        if time.monotonic() >= self._beat_at:
            self._beat_at = time.monotonic() + min(self._store.settings.heal_seconds, _MAX_BEAT_SECONDS)
            self._beat()

    def _beat_root_when_due(self) -> None:
        """Record on the storage root that this deployment is working there."""
        if time.monotonic() < self._beat_root_at or not (self._joins or self._membership):
            return
        self._beat_root_at = time.monotonic() + BEAT_SECONDS
        try:
            self._store.library.check_to_write()
        except NotALibraryError:
            # Commands and workers report that when they need the root.
            return
        if self._membership is None:
            broker = without_password(self._store.settings.redis_url)
            queues = self._queues
            self._membership = join(self._store.root, queues.redis, queues.keys.deployment, broker)
        self._membership.beat()

    def _recover_when_due(self) -> None:
        """Recover a few of the open stages: commits and heartbeats come in between."""
        started = time.monotonic()
        if started < self._recover_at:
            return
        self._stages_to_recover = self._stages_to_recover or self._store.open_stages.all()
        while self._stages_to_recover and time.monotonic() - started < _SLICE_SECONDS:
            ref = self._stages_to_recover.pop()
            # The stage may have ended since it was listed.
            if self._store.open_stages.is_open(ref):
                self._recover_stage(ref)
        # Recovery takes at most a tenth of one core, however long the books are.
        pause = _PAUSE_FACTOR * (time.monotonic() - started)
        if not self._stages_to_recover:
            pause = max(pause, self._store.settings.heal_seconds)
        self._recover_at = time.monotonic() + pause

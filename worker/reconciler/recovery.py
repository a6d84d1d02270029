"""Recovery: find pages that were lost on the way, and put them back in the queue.

A page is lost when it was requested and is not settled, no worker holds it, no queue carries it and no inbox names
it. One that is lost at two checks in a row is enqueued again. That does no harm: a second worker finds it claimed
or complete.
"""

import time
from dataclasses import dataclass, field

import structlog

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError
from checkpointing.identity import new_token
from checkpointing.lease import Lease
from checkpointing.messages import Completion
from checkpointing.money import whole_micro
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from checkpointing.status import Status
from worker.billing.model_calls import ModelCalls
from worker.pipeline.provenance import made_from_of
from worker.pipeline.stage_flow import UPSTREAM, given_up, ready
from worker.queue.client import QueueClient
from worker.storage.book_store import BookStore
from worker.telemetry.metrics.events import metrics

_KEEP_LOCK_INTERVALS = 5
_KEEP_LOCK_ROUNDS = 2
_MAX_KEEP_SECONDS = 600.0
_FEW = 16

log = structlog.get_logger("leafmark.reconciler")


@dataclass(frozen=True, slots=True)
class Recovered:
    """The result of a check of one stage.

    Attributes:
        adopted: pages with a valid output that no completion had named.
        enqueued: lost pages that were enqueued again.
        ended: whether nothing is left to do.
    """

    adopted: list[int] = field(default_factory=list)
    enqueued: list[int] = field(default_factory=list)
    ended: bool = False


@dataclass(frozen=True, slots=True)
class _Look:
    """Pages that a check found.

    Attributes:
        lost: no worker holds them, no queue carries them, no inbox names them.
        ended: they were begun, and no worker holds them.
    """

    lost: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)


class PageRecovery:
    """Recovers lost pages of open stages. One process per stage is elected by a Redis lock that it renews."""

    def __init__(self, store: BookStore, queues: QueueClient, calls: ModelCalls) -> None:
        self._store = store
        self._queues = queues
        self._calls = calls
        self._token = new_token()
        self._looked_at: dict[StageRef, tuple[float, float]] = {}
        self._seen_before: dict[StageRef, _Look] = {}

    def recover(self, ref: StageRef) -> Recovered:
        """Check one open stage, and recover its lost pages.

        Raises:
            UnknownNameError, InputError: there is no such stage or scan any more.
            OSError, StorageError: the storage failed.
            CheckpointError: the checkpoint is held.
            RedisError: the broker failed.
        """
        self._store.stages.get(ref.stage)
        self._store.metadata(ref.scan_id)
        lease = Lease(self._queues.redis, self._queues.keys.heal(ref))
        if not lease.win(self._token, self._seconds_to_the_next_look(ref)):
            self._seen_before.pop(ref, None)
            return Recovered()
        queue, inbox = self._queues.queue(ref), self._queues.inbox(ref)
        dropped = queue.drop_unusable_keys()
        if dropped:
            log.warning("keys of a wrong type deleted", scan_id=ref.scan_id, stage=ref.stage, keys=dropped)
        if inbox.update_listing():
            log.warning("inbox was not listed", scan_id=ref.scan_id, stage=ref.stage)
        checkpoint = self._read(ref)
        pending = set(checkpoint.pending())
        if not pending or checkpoint.status is Status.PAUSED:
            return self._end(ref)
        self._give_up(ref, pending)
        # The remaining pages wait for an earlier stage.
        pending = ready(self._store, ref, pending)
        queue.ensure_turn()
        begun = queue.attempts()
        # In this order, a page that moves from queue to claim to inbox meanwhile is seen at least once.
        carried = queue.carried()
        seen = queue.held((pending - carried) | begun.keys()) | inbox.pages()
        before = self._seen_before.get(ref, _Look())
        look = _Look(pending - carried - seen, (begun.keys() & pending) - seen)
        self._seen_before[ref] = look

        lost = look.lost & before.lost
        adopted = self._adopt(ref, lost)
        lost.difference_update(adopted)
        ended = {page: begun[page] for page in look.ended & before.ended}
        attempts = self._keep_attempts(checkpoint, ended)
        queue.raise_attempts({page: attempts[page] for page in lost & attempts.keys()})
        queue.forget_dispatched(lost)
        if lost:
            self._calls.take_back_planned(ref, lost)
            # A flushed server has lost the id of the run too.
            queue.name_run(checkpoint.run)
        # A few pages of a dead worker go first; after a flush it is a whole book, which waits its turn.
        put = queue.put_first if len(lost) <= _FEW else queue.put
        return Recovered(adopted, list(put(sorted(lost))))

    def _keep_attempts(self, checkpoint: Checkpoint, begun: dict[int, int]) -> dict[int, int]:
        """Save the attempts that ended without a result in the checkpoint, so that they survive a flush."""
        if all(checkpoint.attempts.get(page, 0) >= count for page, count in begun.items()):
            return checkpoint.attempts
        file = self._store.checkpoint_file(checkpoint.ref)
        with file.exclusive() as current:
            if current.note_attempts(begun):
                file.save(current)
            return current.attempts

    def _seconds_to_the_next_look(self, ref: StageRef) -> float:
        """Return how long to stay elected. With many open stages, a round over all of them takes minutes.

        Both of the last two rounds count: one long round may have been a pause of this process, and if this process
        then dies, the others must not be locked out for long.
        """
        now = time.monotonic()
        looked_at, round_before = self._looked_at.get(ref, (now, 0.0))
        this_round = now - looked_at
        self._looked_at[ref] = now, this_round
        usual = self._store.settings.heal_seconds * _KEEP_LOCK_INTERVALS
        return max(usual, min(_KEEP_LOCK_ROUNDS * min(this_round, round_before), _MAX_KEEP_SECONDS))

    def _read(self, ref: StageRef) -> Checkpoint:
        file = self._store.checkpoint_file(ref)
        try:
            return file.read()
        except CheckpointError:
            with file.exclusive() as rebuilt:
                return rebuilt

    def _end(self, ref: StageRef) -> Recovered:
        file = self._store.checkpoint_file(ref)
        with file.exclusive() as checkpoint:
            unasked = not checkpoint.pending() and not checkpoint.requested
            if unasked and checkpoint.status is not Status.CANCELLED:
                self._recover_request(checkpoint)
                file.save(checkpoint)
            # A producer has requested more pages meanwhile, or the request was recovered.
            if checkpoint.pending() and checkpoint.status is not Status.PAUSED:
                return Recovered()
            before = checkpoint.status
            checkpoint.settle()
            counted = checkpoint.note_ledger(self._store.ledger(ref).sums().spent)
            if checkpoint.status is not before or counted:
                file.save(checkpoint)
            # Under the lock of the file, which a producer holds while it opens a stage.
            self._queues.queue(ref).close()
            self._store.open_stages.remove(ref)
        for remembered in (self._looked_at, self._seen_before):
            remembered.pop(ref, None)
        return Recovered(ended=True)

    def _recover_request(self, checkpoint: Checkpoint) -> None:
        """Restore the requested pages of a checkpoint that was rebuilt from the outputs."""
        checkpoint.total_pages = self._store.metadata(checkpoint.scan_id).total_pages
        for first, last in self._store.open_stages.requested(checkpoint.ref):
            checkpoint.request(first, last)
        if checkpoint.pending():
            checkpoint.begin()

    def _give_up(self, ref: StageRef, pending: set[int]) -> None:
        """Quarantine the pages that an earlier stage has quarantined: they would wait forever."""
        found = given_up(self._store, ref, pending)
        if not found:
            return
        inbox = self._queues.inbox(ref)
        waiting = inbox.pages()
        with self._queues.redis.pipeline(transaction=True) as pipeline:
            for page in sorted(found.keys() - waiting):
                retry = f"producer retry {ref.scan_id} --stage {found[page]}"
                message = f"{found[page]} has quarantined this page; run `{retry}`"
                inbox.put(FailedPage(page=page, kind=UPSTREAM, message=message, worker="reconciler"), pipeline)
            pipeline.execute()
        for _ in found.keys() - waiting:
            metrics().quarantined(ref.stage, UPSTREAM)

    def _adopt(self, ref: StageRef, pages: set[int]) -> list[int]:
        """Hand over the pages that have a valid output, for the workers that made them."""
        outputs = self._store.outputs(ref)
        inbox = self._queues.inbox(ref)
        adopted: list[int] = []
        if not pages:
            return adopted
        outputs.sync()
        with self._queues.redis.pipeline(transaction=True) as pipeline:
            for verdict in (outputs.check(page) for page in sorted(pages & outputs.pages())):
                if verdict.sha256 is None or not verdict.valid:
                    continue
                spent = self._store.spent_on(ref, verdict.page)
                completion = Completion(
                    page=verdict.page,
                    sha256=verdict.sha256,
                    schema_version=outputs.schema.version,
                    worker="adopted",
                    made_from=made_from_of(outputs, verdict.page),
                    cost_usd=None if spent is None else spent.usd,
                    ledger_micro=whole_micro(spent),
                    doubtful=verdict.doubtful,
                )
                inbox.put(completion, pipeline)
                adopted.append(verdict.page)
            pipeline.execute()
        return adopted

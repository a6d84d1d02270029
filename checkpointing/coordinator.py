"""The coordinator: one writer at a time merges what many workers hand over into the checkpoint.

The lock in Redis elects and `flock` beside the checkpoint protects (see "Two locks with two jobs" in
`docs/design.md`). Entries are merged by union into what is on disk at that moment.
"""

import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from redis import Redis

from checkpointing.budget import read_budget
from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError, StorageError
from checkpointing.fields import MAX_PAGES
from checkpointing.file import CheckpointFile
from checkpointing.identity import new_token
from checkpointing.inbox import Batch, Entry, Inbox
from checkpointing.keys import CheckpointKeys
from checkpointing.lease import Lease
from checkpointing.ledger import Ledger
from checkpointing.messages import Completion, Pause
from checkpointing.money import Money
from checkpointing.outputs import OutputFolder
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from checkpointing.status import Status

BATCH_ENTRIES = 5000
# How long a dead coordinator keeps the others waiting. A commit that takes longer is still protected by `flock`.
LOCK_SECONDS = 5.0
# Commits cost a tenth of one thread, however long the book is; batches grow instead.
PAUSE_FACTOR = 9
MIN_PAUSE_SECONDS = 0.05
_FLOCK_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Commit:
    """What one commit did.

    Attributes:
        completed: pages that are newly complete.
        failed: pages that are newly in quarantine.
        rejected: pages whose output on storage does not have the hash of their completion.
        refused: number of entries that do not parse.
        seconds: how long it took.
        summary: progress of the stage, in words.
        runs: ids of the runs that the entries belong to.
    """

    completed: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    refused: int = 0
    seconds: float = 0.0
    summary: str = ""
    runs: tuple[str, ...] = ()


class Coordinator:
    """Merges the inbox of one stage of one scan into its checkpoint.

    Args:
        total_pages: pages of the book, for a checkpoint that does not have the number.
        finish: called before a checkpoint with the status `completed` is saved. Returns pages whose output is gone:
            they are processed again, and the stage is not completed. If it fails, the commit fails.
    """

    def __init__(
        self,
        redis: Redis,
        keys: CheckpointKeys,
        file: CheckpointFile,
        outputs: OutputFolder,
        total_pages: int = MAX_PAGES,
        finish: Callable[[Checkpoint], AbstractSet[int]] = lambda _checkpoint: frozenset(),
    ) -> None:
        self._lease = Lease(redis, keys.commit(StageRef(file.scan_id, file.stage)))
        self._file = file
        self._outputs = outputs
        self._total_pages = total_pages
        self._finish = finish
        self._ledger = Ledger(file.scan_dir, file.stage)
        self.inbox = Inbox(redis, keys, StageRef(file.scan_id, file.stage))

    def commit(self) -> Commit | None:
        """Merge the inbox; return None if it is empty, or another process holds the lock or the file.

        Raises:
            OSError: the storage failed; the inbox keeps its entries.
            RedisError: the broker failed; what was merged may be merged again, which does no harm.
        """
        token = new_token()
        if not self._lease.win(token, LOCK_SECONDS):
            return None
        started = time.monotonic()
        try:
            batch = self.inbox.read(BATCH_ENTRIES)
            if not batch.ids:
                return None
            commit = self._merge(batch, started)
            completed = {entry.page for entry in batch.entries if isinstance(entry, Completion)}
            self.inbox.remove(batch.ids, completed.difference(commit.rejected))
        except CheckpointError:
            # Another process holds the file: a producer at its resume, or a paused coordinator.
            return None
        else:
            return commit
        finally:
            pause = max(MIN_PAUSE_SECONDS, PAUSE_FACTOR * (time.monotonic() - started))
            self._lease.keep_for(token, pause)

    def merge_into(self, checkpoint: Checkpoint) -> list[bytes]:
        """Merge the inbox into a checkpoint that the caller holds exclusively and saves.

        Return the ids to remove from the inbox after the save.
        """
        batch = self.inbox.read(BATCH_ENTRIES)
        for entry in batch.entries:
            self._apply(checkpoint, entry)
        return batch.ids

    def _merge(self, batch: Batch, started: float) -> Commit:
        with self._file.exclusive(_FLOCK_TIMEOUT_SECONDS) as checkpoint:
            before = checkpoint.status
            verdicts = [(entry, self._apply(checkpoint, entry)) for entry in batch.entries]
            checkpoint.settle()
            if checkpoint.status is not before or any(changed for _, changed in verdicts):
                self._finish_if_completed(checkpoint)
                self._file.save(checkpoint)
            return Commit(
                completed=[entry.page for entry, changed in verdicts if changed and isinstance(entry, Completion)],
                failed=[entry.page for entry, changed in verdicts if changed and isinstance(entry, FailedPage)],
                rejected=[entry.page for entry, changed in verdicts if changed is None],
                refused=batch.refused,
                seconds=time.monotonic() - started,
                summary=checkpoint.summary(),
                runs=batch.runs,
            )

    def _finish_if_completed(self, checkpoint: Checkpoint) -> None:
        if checkpoint.status is not Status.COMPLETED:
            return
        gone = self._finish(checkpoint)
        if gone:
            # Deleted or damaged since they were merged. Recovery enqueues them again.
            checkpoint.forget(gone)
            checkpoint.begin()

    def _apply(self, checkpoint: Checkpoint, entry: Entry) -> bool | None:
        """Merge one entry; return whether that changed the checkpoint, None if no output there has its hash."""
        if entry.page > (checkpoint.total_pages or self._total_pages):
            return None
        if isinstance(entry, Pause):
            # The call that led to the pause may have cost money, and its page is not complete.
            paid = checkpoint.note_ledger({entry.page: self._ledger.spent(entry.page)})
            return (not self._is_overtaken(entry) and checkpoint.pause(entry.reason)) or paid
        spent = entry.spent if isinstance(entry, Completion) else self._spent_on(entry)
        paid = spent is not None and checkpoint.note_ledger({entry.page: spent})
        if isinstance(entry, FailedPage):
            return checkpoint.fail(entry) or paid
        if not self._outputs.holds(entry.page, entry.sha256):
            return None
        return checkpoint.complete(entry.page, entry.record(), entry.doubtful, counts=spent is None) or paid

    def _spent_on(self, failed: FailedPage) -> Money | None:
        """Return what a page in quarantine has cost; its message has whole micro-dollars only."""
        if failed.ledger_micro is None:
            return None
        return max(Money.from_micro(failed.ledger_micro), self._ledger.spent(failed.page))

    def _is_overtaken(self, pause: Pause) -> bool:
        """Return whether a larger budget was set since a worker found no room in the old one."""
        if pause.budget_usd is None:
            return False
        try:
            budget = read_budget(self._file.scan_dir)
        except StorageError:
            return False
        return budget is not None and budget > pause.budget_usd

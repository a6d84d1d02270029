"""The steward: a thread in each worker's main process that commits inboxes and heals what was lost.

Every worker has one; Redis locks elect which of them acts, so that any worker can die and another goes on.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from checkpointing.errors import InputError, LeafmarkError, UnknownNameError
from checkpointing.inbox import Inbox
from checkpointing.keys import split_inbox_name
from worker.healing import Healer
from worker.workshop import Workshop

TICK_SECONDS = 0.1
FORGET_SECONDS = 120.0
_BACK_OFF_SECONDS = 1.0
_TROUBLE = (OSError, LeafmarkError, RedisError, OperationalError)

log = structlog.get_logger("leafmark.steward")


class Steward:
    """Commits and heals until told to stop."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._healer = Healer(workshop)
        self._stopping = threading.Event()
        self._heal_at = 0.0
        self._missing_since: dict[tuple[str, str], float] = {}
        self._thread = threading.Thread(target=self._run, name="steward", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End, once what waits in the inboxes is committed, or after `timeout` seconds."""
        self._stopping.set()
        self._thread.join()
        deadline = time.monotonic() + timeout
        with suppress(*_TROUBLE):
            while self.commit_inboxes() and time.monotonic() < deadline:
                time.sleep(TICK_SECONDS)

    def commit_inboxes(self) -> bool:
        """Merge what waits in any inbox that nobody else is merging.

        Returns:
            Whether any inbox may still hold something.

        Raises:
            OSError, LeafmarkError, RedisError: as the coordinator.
        """
        redis, index = self._workshop.redis, self._workshop.keys.inboxes
        for name in cast("set[bytes]", redis.smembers(index)):
            scan_id, stage = split_inbox_name(name.decode(errors="replace"))
            with self._one_does_not_stop_the_others(scan_id, stage):
                try:
                    self._commit(scan_id, stage, name)
                except (UnknownNameError, InputError) as error:
                    if self._is_gone(scan_id, stage, error):
                        redis.srem(index, name)
        return bool(redis.scard(index))

    def heal(self) -> None:
        """Look after every open stage.

        Raises:
            OSError, LeafmarkError, RedisError, OperationalError: storage or broker failed.
        """
        for scan_id, stage in self._workshop.open_stages.all():
            with self._one_does_not_stop_the_others(scan_id, stage):
                try:
                    self._heal(scan_id, stage)
                except (UnknownNameError, InputError) as error:
                    if self._is_gone(scan_id, stage, error):
                        self._workshop.open_stages.remove(scan_id, stage)

    def _commit(self, scan_id: str, stage: str, name: bytes) -> None:
        self._workshop.metadata(scan_id)
        self._missing_since.pop((scan_id, stage), None)
        coordinator = self._workshop.coordinator(scan_id, stage)
        commit = coordinator.commit()
        if commit is not None:
            log.info(
                "checkpoint committed",
                scan_id=scan_id,
                stage=stage,
                completed=len(commit.completed),
                quarantined=len(commit.failed),
                rejected=commit.rejected,
                seconds=round(commit.seconds, 4),
                summary=commit.summary,
            )
        elif not len(coordinator.inbox):
            self._forget(name, coordinator.inbox)

    def _heal(self, scan_id: str, stage: str) -> None:
        healed = self._healer.heal(scan_id, stage)
        self._missing_since.pop((scan_id, stage), None)
        if healed.adopted or healed.enqueued:
            log.warning(
                "lost pages healed",
                scan_id=scan_id,
                stage=stage,
                adopted=healed.adopted,
                enqueued=healed.enqueued,
            )

    def _is_gone(self, scan_id: str, stage: str, error: LeafmarkError) -> bool:
        """Whether a scan is missing for good. For a while it may be a trick of a network file system's cache."""
        since = self._missing_since.setdefault((scan_id, stage), time.monotonic())
        if time.monotonic() - since < FORGET_SECONDS:
            return False
        log.error("steward drops a stage", scan=scan_id, stage=stage, error=str(error))
        return True

    @contextmanager
    def _one_does_not_stop_the_others(self, scan_id: str, stage: str) -> Iterator[None]:
        """A scan whose folder cannot be written must not keep the others waiting."""
        try:
            yield
        except (OSError, LeafmarkError) as error:
            log.warning("steward passes over a stage", scan=scan_id, stage=stage, error=str(error))

    def _forget(self, name: bytes, inbox: Inbox) -> None:
        """Take an empty inbox off the list; put it back if something came in meanwhile."""
        redis, index = self._workshop.redis, self._workshop.keys.inboxes
        redis.srem(index, name)
        if len(inbox):
            redis.sadd(index, name)

    def _run(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            try:
                self.commit_inboxes()
                self._heal_when_due()
            except _TROUBLE as error:
                log.warning("steward waits", error=str(error))
                self._stopping.wait(_BACK_OFF_SECONDS)

    def _heal_when_due(self) -> None:
        if time.monotonic() >= self._heal_at:
            self._heal_at = time.monotonic() + self._workshop.settings.heal_seconds
            self.heal()

"""The commit of an inbox into the checkpoint, against a real server."""

import json
import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from redis import Redis

from checkpointing.checkpoint import Checkpoint
from checkpointing.coordinator import Coordinator
from checkpointing.fields import now
from checkpointing.inbox import Inbox
from checkpointing.keys import CheckpointKeys
from checkpointing.messages import Completion
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from tests.crash.scene import Scene
from tests.crash.server import Server
from tests.unit.conftest import Book, Leaf

KEYS = CheckpointKeys("crash:")
PAGES = 8
COST = 0.02
# What differs from one run to the next and says nothing about pages or money.
_MOMENTS = {"revision", "created_at", "started_at", "updated_at", "completed_at", "failed_at"}


def facts(checkpoint: Checkpoint) -> Any:
    """What a checkpoint says about pages and money."""
    return json.loads(checkpoint.model_dump_json(exclude=_MOMENTS))


class CheckpointCommit(Scene):
    """`Coordinator.commit()` of an inbox with three completions (one of them twice), a failure and a lie.

    Args:
        folder: everything stands below it.
        redis: client of a real server, for the test's own questions.
        earlier: whether there is a checkpoint with three complete pages already.
    """

    def __init__(self, folder: Path, redis: Redis, *, earlier: bool) -> None:
        super().__init__(folder)
        self._server = Server(redis)
        self._book = Book(self.root)
        self._template = Book(folder / "template")
        self._template.path.mkdir(parents=True)
        for page in range(1, PAGES - 1):
            self._template.outputs.save(page, Leaf(page_number=page, text=f"words of page {page} " * 50))
        if earlier:
            self._commit_earlier(1, 2, 3)
        self._entries = [self._completion(page) for page in (4, 5, 6, 4)]
        self._failure = FailedPage(page=7, kind="crashed", message="its worker died", attempts=3)
        self._lie = Completion(page=8, sha256="0" * 64, schema_version="1", cost_usd=9.0)
        self._before = facts(self._template.checkpoint_file().read())

    def prepare(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self._template.root, self.root)
        self._server.empty()
        with self._server.redis.pipeline() as pipeline:
            for entry in self._entries:
                self._inbox.put(entry, pipeline)
            self._inbox.put(self._failure, pipeline)
            self._inbox.put(self._lie, pipeline)
            pipeline.execute()

    def make(self) -> Callable[[], object]:
        redis = Redis.from_url(self._server.url, socket_timeout=10)
        return Coordinator(redis, KEYS, self._book.checkpoint_file(), self._book.outputs).commit

    def check_invariants(self) -> bool:
        checkpoint = self._book.checkpoint_file().read()
        found = facts(checkpoint)
        assert found in (self._before, self.after), f"the checkpoint is neither the old nor the new: {found}"
        for page, record in checkpoint.pages.items():
            assert self._book.outputs.holds(page, record.sha256 or ""), f"page {page} is not borne out"
        # Gone from the inbox means safe in the checkpoint.
        waiting = len(self._inbox)
        assert waiting == len(self._entries) + 2 or (waiting == 0 and found == self.after)
        return bool(found == self.after)

    def after_a_death(self) -> None:
        self._server.hear_the_dead_out()

    def let_leases_run_out(self) -> None:
        lock = KEYS.commit(StageRef(self._book.scan_id, self._book.stage))
        assert self._server.redis.ttl(lock) != -1, "the lock would be held for ever"
        self._server.redis.delete(lock)

    def remove_orphans(self) -> list[Path]:
        return self._book.outputs.remove_orphans() + self._book.checkpoint_file().remove_orphans()

    def check_end(self) -> None:
        assert self.check_invariants()
        assert len(self._inbox) == 0
        with self._book.checkpoint_file().exclusive(timeout=0) as checkpoint:
            assert facts(checkpoint) == self.after
        names = {path.name for path in self._book.checkpoint_path.parent.iterdir()}
        assert names == {"ocr.json", "ocr.lock"}

    @cached_property
    def after(self) -> Any:
        """What the new checkpoint says, made by hand: not by the code that is tried."""
        new = self._template.checkpoint_file().read()
        for entry in self._entries:
            new.pages.setdefault(entry.page, entry.record())
        new.failed_pages = [self._failure]
        new.metadata["total_cost_usd"] = round(COST * len(new.pages), 6)
        new.settle()
        return facts(new)

    @property
    def _inbox(self) -> Inbox:
        return Inbox(self._server.redis, KEYS, StageRef(self._book.scan_id, self._book.stage))

    def _completion(self, page: int) -> Completion:
        sha256 = self._template.outputs.check(page).sha256
        assert sha256 is not None
        return Completion(page=page, sha256=sha256, schema_version="1", cost_usd=COST, completed_at=now())

    def _commit_earlier(self, *pages: int) -> None:
        file = self._template.checkpoint_file()
        with file.exclusive() as checkpoint:
            checkpoint.total_pages = PAGES
            checkpoint.request(1, PAGES)
            checkpoint.begin()
            for page in pages:
                checkpoint.complete(page, self._completion(page).record())
            file.save(checkpoint)

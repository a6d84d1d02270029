"""A resume: `producer enqueue` over a book to which all sorts of things have happened."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis

from checkpointing.checkpoint import Checkpoint
from checkpointing.fields import now
from checkpointing.messages import Completion
from producer.planning.enqueue import enqueue, plan
from producer.planning.request import Request
from tests.crash.scene import Scene
from tests.crash.server import Server
from tests.support.fake_deployment import REF, SCAN, STAGE, named_in, write_scan
from tests.support.stages import stamp
from worker.app import make_app
from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.queue.connection import connect
from worker.queue.keys import QueueKeys

PAGES = 6
EDITED = stamp(2, "edited by hand")
_LEFT = [2, 3, 6]

_KEYS = QueueKeys("crash:")


def facts(checkpoint: Checkpoint) -> Any:
    """What a checkpoint says about pages and money. An adopted page is dated when it is adopted."""
    pages = {page: (record.sha256, record.cost_usd) for page, record in checkpoint.pages.items()}
    return pages, checkpoint.failed_pages, checkpoint.total_cost_usd, checkpoint.requested, checkpoint.status


class Resume(Scene):
    """`enqueue` of a book with one page each that is as it was, edited, lost, handed over, a stranger and not done.

    Args:
        folder: everything stands below it.
        redis: client of a real server, for the test's own questions.
    """

    def __init__(self, folder: Path, redis: Redis) -> None:
        super().__init__(folder)
        self._server = Server(redis)
        self._template = folder / "template"
        self._app = make_app(self._settings(self._template))
        write_scan(self._template, SCAN, PAGES)
        parts = self._parts(self._template, redis)
        outputs = parts.store.outputs(REF)
        done = {page: self._completion(page, outputs.save(page, stamp(page))) for page in (1, 2, 3, 4, 5)}
        file = parts.store.checkpoint_file(REF)
        with file.exclusive() as checkpoint:
            checkpoint.total_pages = PAGES
            checkpoint.request(1, PAGES)
            checkpoint.begin()
            for page in (1, 2, 3):
                checkpoint.complete(page, done[page].record())
            file.save(checkpoint)
        self._before = facts(file.read())
        outputs.save(2, EDITED)
        outputs.path_of(3).unlink()
        self._waiting = done[4]
        after = file.read()
        after.pages = {
            1: done[1].record(),
            4: done[4].record(),
            5: done[5].model_copy(update={"cost_usd": None}).record(),
        }
        after.add_cost(0.02)
        self._after = facts(after)

    def prepare(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self._template, self.root)
        self._server.empty()
        with self._server.redis.pipeline() as pipeline:
            self._look().queues.inbox(REF).put(self._waiting, pipeline)
            pipeline.execute()

    def make(self) -> Callable[[], object]:
        parts = self._parts(self.root, None)
        return lambda: enqueue(parts, Request(SCAN, STAGE))

    def check_invariants(self) -> bool:
        look = self._look()
        outputs = look.store.outputs(REF)
        found = facts(look.store.checkpoint_file(REF).read())
        assert found in (self._before, self._after), f"the checkpoint is neither the old nor the new: {found}"
        changed = bool(found == self._after)
        waiting = len(look.queues.inbox(REF))
        assert waiting == 1 or changed, "gone from the inbox means safe in the checkpoint"
        places = [outputs.path_of(2), outputs.path / "set_aside" / outputs.path_of(2).name]
        assert [path.read_text() for path in places if path.exists()] == [EDITED.model_dump_json()]
        if changed:
            assert not places[0].exists()
            assert look.store.open_stages.all() == [REF], "the reconciler would not recover it"
        else:
            assert self._enqueued() == []
        return changed

    def after_a_death(self) -> None:
        self._server.hear_the_dead_out()

    def remove_orphans(self) -> list[Path]:
        # An `enqueue` cleans up by itself.
        return []

    def restart(self) -> None:
        self.make()()

    def check_end(self) -> None:
        assert self.check_invariants()
        look = self._look()
        assert len(look.queues.inbox(REF)) == 0
        now_left = plan(look.store, Request(SCAN, STAGE))
        assert (now_left.remaining, now_left.total_cost_usd) == (_LEFT, 0.08)
        assert self._enqueued() == _LEFT
        assert [path for path in self.temp_files() if ".leafmark" not in path.parts] == []

    def _look(self) -> Deployment:
        """The deployment as the test sees it."""
        return self._parts(self.root, self._server.redis)

    def _parts(self, root: Path, redis: Redis | None) -> Deployment:
        settings = self._settings(root)
        return Deployment(settings, self._app, redis or connect(settings))

    def _settings(self, root: Path) -> Settings:
        return Settings(storage_root=root, redis_url=self._server.url, key_prefix=_KEYS.prefix)

    def _enqueued(self) -> list[int]:
        """The pages in Celery's queue and in ours."""
        messages: Any = self._server.redis.lrange(_KEYS.queue(STAGE), 0, -1)
        waiting: Any = self._server.redis.zrange(_KEYS.waiting(REF), 0, -1)
        return sorted([*(named_in(raw)[1] for raw in messages), *map(int, waiting)])

    @staticmethod
    def _completion(page: int, sha256: str) -> Completion:
        return Completion(page=page, sha256=sha256, schema_version="1", cost_usd=0.02, completed_at=now())

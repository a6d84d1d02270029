"""Fair dispatch: moves waiting pages into Celery's queue, a few at a time and one from each scan in turn.

Celery's queue holds a *window* only: enough messages that no worker ever waits (see "The queue" in
`docs/design.md`). A message is a template that a script fills with scan, page, id and run, because publishing
through kombu would cost a hundred times as much.
"""

import json
from typing import Any

from checkpointing.identity import new_token
from checkpointing.lua import Script
from worker.ocr.engines.needs import stage_of
from worker.queue.keys import QueueKeys

PAGE_TASK = "page.process"
_ALIVE_SECONDS = 15
_FILL_WINDOW: Script[None] = Script("worker.queue.fill_window")
_RECORD_HEARTBEAT: Script[None] = Script("worker.queue.record_heartbeat")


class Dispatch:
    """Moves waiting pages into one of Celery's queues: that of a stage, or a dedicated one.

    Every method raises RedisError where the broker failed.
    """

    def __init__(self, redis: Any, keys: QueueKeys, queue: str) -> None:
        self.queue = queue
        self._redis = redis
        self._slots = keys.slots(queue)
        stage = stage_of(queue)
        self._values = {
            "messages": keys.queue(queue),
            "turns": keys.turns(queue),
            "window": keys.window(queue),
            **keys.of_any_scan(stage),
            "template": _template(stage),
        }

    def values(self) -> str:
        """Return `queue`, which dispatch.lua documents, in JSON, for one call of a script that includes it."""
        return json.dumps({**self._values, "nonce": new_token()})

    def fill_window(self) -> None:
        """Fill the window."""
        _FILL_WINDOW(self._redis, queue=self.values())

    def record_heartbeat(self, worker: str, slots: int) -> None:
        """Record that a worker is alive that takes `slots` pages at once, and fill the window."""
        member = f"{worker}={slots}"
        _RECORD_HEARTBEAT(
            self._redis, slots=self._slots, member=member, seconds=_ALIVE_SECONDS, queue=self.values()
        )

    def alive(self) -> dict[str, int]:
        """Return the workers of the queue that sent a heartbeat in the last seconds, with their slots."""
        seconds, _ = self._redis.time()
        members = self._redis.zrangebyscore(self._slots, seconds, "+inf")
        named = (member.decode(errors="replace").rpartition("=") for member in members)
        return {name: int(slots) for name, _, slots in named if slots.isdecimal()}


def _template(stage: str) -> str:
    """Return a message of a stage, with `@SCAN@`, `@PAGE@`, `@ID@` and `@RUN@` in their places.

    It has what the message filter reads and no more. The run is a header, because workers of an older version
    ignore headers that they do not know.
    """
    arguments = f'{{"scan_id": "@SCAN@", "stage": "{stage}", "page": @PAGE@}}'
    message = {
        "body": f"[[], {arguments}, {{}}]",
        "content-type": "application/json",
        "headers": {"id": "@ID@", "task": PAGE_TASK, "traceparent": "@RUN@"},
        "properties": {},
    }
    return json.dumps(message).replace('"@RUN@"', "@RUN@")

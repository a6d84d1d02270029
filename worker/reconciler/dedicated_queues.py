"""The dedicated queues that a worker serves: those whose needs are installed on its machine.

The reconciler looks at the list in Redis twice a second. It has the worker's main process take messages from the
queues that it can serve (`worker.ocr.engines.needs`), and records a heartbeat for each of them.
"""

import time
from collections.abc import Callable, Mapping

import structlog

from checkpointing.errors import LeafmarkError
from checkpointing.identity import process_name
from worker.config.configured_stages import ConfiguredStages
from worker.queue.client import QueueClient

_LOOK_SECONDS = 0.5
_BEAT_SECONDS = 5.0

Consume = Callable[[str, bool], None]
"""Has the worker take messages from a queue (True), or no more (False). Raises BrokerError."""

log = structlog.get_logger("leafmark.reconciler")


class DedicatedQueues:
    """The dedicated queues that one worker serves.

    Args:
        serves: maximum number of pages that the worker processes at once, for each stage that it serves.
        consume: a control command may be lost, so it is called again and again for a queue.
    """

    def __init__(
        self, stages: ConfiguredStages, queues: QueueClient, serves: Mapping[str, int], consume: Consume
    ) -> None:
        self._stages = stages
        self._queues = queues
        self._serves = {stage: slots for stage, slots in serves.items() if stages.get(stage).has_engine}
        self._consume = consume
        self._look_at = 0.0
        self._beat_at: dict[str, float] = {}

    def serve_when_due(self) -> None:
        """Begin to serve new queues, end with forgotten ones, and send the heartbeats that are due.

        Raises:
            BrokerError, RedisError: the broker failed.
        """
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_SECONDS
        found: set[str] = set()
        for stage, slots in self._serves.items():
            for queue in filter(self._can_serve, self._queues.dedicated(stage)):
                found.add(queue)
                self._beat_when_due(queue, slots)
        for queue in self._beat_at.keys() - found:
            self._consume(queue, False)
            del self._beat_at[queue]

    def _can_serve(self, queue: str) -> bool:
        try:
            self._stages.check_can_serve(queue)
        except LeafmarkError:
            return False
        return True

    def _beat_when_due(self, queue: str, slots: int) -> None:
        if time.monotonic() < self._beat_at.get(queue, 0.0):
            return
        self._consume(queue, True)
        self._queues.dispatch(queue).record_heartbeat(process_name(), slots)
        if queue not in self._beat_at:
            log.info("queue served", queue=queue)
        self._beat_at[queue] = time.monotonic() + _BEAT_SECONDS

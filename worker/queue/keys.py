"""The Redis keys of the page queue: name, type and lifetime. No other module spells one of them.

| key                            | type   | lives                | holds                                       |
|--------------------------------|--------|----------------------|---------------------------------------------|
| `claim:<scan>/<stage>/<page>`  | string | lease, renewed       | token of the worker that has the page       |
| `waiting:<scan>/<stage>`       | zset   | until the stage ends | pages that wait, scored by their turn       |
| `dispatched:<scan>/<stage>`    | set    | until the stage ends | pages in Celery's queue that have not begun |
| `run:<scan>/<stage>`           | string | until the stage ends | id of the run that asked last for pages     |
| `turns:<stage>`                | list   | while pages wait     | scans with waiting pages; the next one last |
| `slots:<stage>`                | zset   | while workers live   | `<worker>=<slots>`, scored by the last beat |
| `window:<stage>`               | string | a few beats          | maximum of messages in Celery's queue       |
| `dedicated:<stage>`            | zset   | an hour after use    | dedicated queues, scored by their last use  |
| `celery:<stage>`               | list   | Celery's             | the messages of a stage's queue             |
| `celery:...`                   | -      | Celery's             | everything else that Celery and kombu keep  |

A dedicated queue (`worker.ocr.engines.needs`) has its name in place of `<stage>` in the keys of the turns, slots,
window and messages.
"""

from checkpointing.keys import CheckpointKeys
from checkpointing.refs import StageRef

# What Celery and kombu keep beside the queues.
_BROKER_TYPES = {
    "unacked": "hash",
    "unacked_index": "zset",
    "unacked_mutex": "string",
    "_kombu.binding.celery.pidbox": "set",
    "_kombu.binding.reply.celery.pidbox": "set",
    "_kombu.binding.celeryev": "set",
}


class QueueKeys(CheckpointKeys):
    """Keys of the page queue, beside those of the inboxes that it hands pages over to."""

    def claim(self, ref: StageRef, page: int) -> str:
        """Return the lease on one page."""
        return f"{self.claim_start(ref)}{page}"

    def claim_start(self, ref: StageRef) -> str:
        """Return what the leases on all pages of a stage start with; the page follows."""
        return f"{self._of('claim', ref)}/"

    def waiting(self, ref: StageRef) -> str:
        """Return the sorted set of the pages that wait for their turn."""
        return self._of("waiting", ref)

    def dispatched(self, ref: StageRef) -> str:
        """Return the set of the pages that are in Celery's queue and have not begun."""
        return self._of("dispatched", ref)

    def run(self, ref: StageRef) -> str:
        """Return the key of the run that asked last for pages of a stage; their messages name it."""
        return self._of("run", ref)

    def of_any_scan(self, stage: str) -> dict[str, str]:
        """Return what `waiting`, `dispatched` and `run` return, with `@SCAN@` in the place of a scan id.

        For scripts that find the scan inside Redis (`worker/queue/scripts/dispatch.lua`).
        """
        return {f"{kind}_keys": f"{self.prefix}{kind}:@SCAN@/{stage}" for kind in ("waiting", "dispatched", "run")}

    def turns(self, stage: str) -> str:
        """Return the list of the scans that have waiting pages."""
        return f"{self.prefix}turns:{stage}"

    def slots(self, stage: str) -> str:
        """Return the sorted set of the workers that serve a stage."""
        return f"{self.prefix}slots:{stage}"

    def window(self, stage: str) -> str:
        """Return the key of the maximum number of messages in Celery's queue of a stage."""
        return f"{self.prefix}window:{stage}"

    def dedicated(self, stage: str) -> str:
        """Return the sorted set of a stage's dedicated queues."""
        return f"{self.prefix}dedicated:{stage}"

    @property
    def broker_prefix(self) -> str:
        """Start of every key of Celery's own (`global_keyprefix`)."""
        return f"{self.prefix}celery:"

    def queue(self, stage: str) -> str:
        """Return the list of the messages in a stage's queue, as kombu spells it."""
        return f"{self.broker_prefix}{stage}"

    def types_of_stage(self, ref: StageRef) -> dict[str, str]:
        """Add the pages that wait and that are dispatched, and the run."""
        own = {self.waiting(ref): "zset", self.dispatched(ref): "set", self.run(ref): "string"}
        return super().types_of_stage(ref) | own

    def types_of_queue(self, stage: str) -> dict[str, str]:
        """Return the keys that all scans share in a stage, with their types."""
        return {
            self.turns(stage): "list",
            self.slots(stage): "zset",
            self.window(stage): "string",
            self.dedicated(stage): "zset",
            self.queue(stage): "list",
            f"{self.broker_prefix}_kombu.binding.{stage}": "set",
        }

    def types_of_deployment(self) -> dict[str, str]:
        """Add what Celery and kombu keep beside the queues."""
        broker = {f"{self.broker_prefix}{name}": kind for name, kind in _BROKER_TYPES.items()}
        return super().types_of_deployment() | broker

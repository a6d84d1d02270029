"""The Redis keys of the checkpointing library: name, type and lifetime. No other module spells one of them.

No key of Leafmark is the truth: losing all of them loses no page and no dollar. A key of another type is deleted
(`checkpointing.key_types`).

| key                       | type   | lives            | holds                                             |
|---------------------------|--------|------------------|---------------------------------------------------|
| `inboxes`                 | set    | always           | `<scan>/<stage>` of inboxes that may hold entries |
| `inbox:<scan>/<stage>`    | stream | until merged     | completions, failures and pauses, in JSON         |
| `commit:<scan>/<stage>`   | string | lock, then pause | token of the coordinator that writes              |
| `attempts:<scan>/<stage>` | hash   | until complete   | page -> attempts begun                            |

The modules `keys` of `worker.queue` and `worker.billing` have their own keys; `worker.keys` has all.
"""

from dataclasses import dataclass

from checkpointing.refs import StageRef


@dataclass(frozen=True)
class PrefixedKeys:
    """What the keys of all rooms have in common. Each room adds its keys to the tables of types.

    The prefix starts every key, so that deployments can share a server.
    """

    prefix: str = "leafmark:"

    def types_of_stage(self, _ref: StageRef) -> dict[str, str]:
        """Return the keys of one stage of one scan with their types, without locks and claims.

        Locks and claims are checked by the scripts that take them.
        """
        return {}

    def types_of_deployment(self) -> dict[str, str]:
        """Return the keys that all stages share, with their types."""
        return {}

    def _of(self, kind: str, ref: StageRef) -> str:
        return f"{self.prefix}{kind}:{ref}"


class CheckpointKeys(PrefixedKeys):
    """Keys of inboxes and of the coordinator."""

    @property
    def inboxes(self) -> str:
        """Set of the inboxes that may hold entries."""
        return f"{self.prefix}inboxes"

    def inbox(self, ref: StageRef) -> str:
        """Return the stream of entries that wait to be merged."""
        return self._of("inbox", ref)

    def commit(self, ref: StageRef) -> str:
        """Return the lock of the coordinator; it is kept through the pause after a commit."""
        return self._of("commit", ref)

    def attempts(self, ref: StageRef) -> str:
        """Return the hash of attempts begun, by page."""
        return self._of("attempts", ref)

    def types_of_stage(self, ref: StageRef) -> dict[str, str]:
        """Add the inbox and the attempts."""
        return super().types_of_stage(ref) | {self.inbox(ref): "stream", self.attempts(ref): "hash"}

    def types_of_deployment(self) -> dict[str, str]:
        """Add the set of inboxes."""
        return super().types_of_deployment() | {self.inboxes: "set"}

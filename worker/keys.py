"""All Redis keys of a deployment: those of its parts, and the two below, which all parts share.

| key                   | type   | lives                | holds                                        |
|-----------------------|--------|----------------------|----------------------------------------------|
| `heal:<scan>/<stage>` | string | a few heal intervals | token of the reconciler that recovers pages  |
| `deployment`          | string | always               | id of the deployment, as in the storage root |
"""

from checkpointing.refs import StageRef
from worker.billing.keys import BillingKeys
from worker.queue.keys import QueueKeys


class Keys(QueueKeys, BillingKeys):
    """The keys of all rooms, for the parts of a deployment."""

    def heal(self, ref: StageRef) -> str:
        """Return the lock of the reconciler that recovers the lost pages of a stage."""
        return self._of("heal", ref)

    @property
    def deployment(self) -> str:
        """Id of the deployment, which the storage root names too."""
        return f"{self.prefix}deployment"

    def types_of_deployment(self) -> dict[str, str]:
        """Add the id of the deployment."""
        return super().types_of_deployment() | {self.deployment: "string"}

"""The interface through which the parts of a worker report events for metrics. By default nothing is counted.

They call `metrics().page(...)` and do not import Prometheus' library. The worker's main process sets the
implementation before it forks; pool and reconciler inherit it.
"""

from pathlib import Path

from checkpointing.money import Money


class Metrics:
    """The interface, and the implementation that counts nothing, which is used unless a port is set.

    Attributes:
        folder: folder of the counts of this worker's processes; None if nothing is counted.
    """

    folder: Path | None = None

    def page(self, stage: str, outcome: str, seconds: float) -> None:
        """A message was processed, in so many seconds."""

    def claim(self, stage: str, event: str) -> None:
        """A claim was `taken`, was `held` by another worker, or was `lost` with its result."""

    def quarantined(self, stage: str, kind: str) -> None:
        """A page was put in quarantine."""

    def spent(self, stage: str, cost: Money) -> None:
        """An answer is in the ledger, and cost this much."""

    def committed(self, stage: str, seconds: float, pages: int) -> None:
        """An inbox was merged, which settled so many pages."""

    def recovered(self, stage: str, enqueued: int, adopted: int) -> None:
        """The reconciler enqueued or adopted lost pages."""

    def begin_at_zero(self, stages: list[str]) -> None:
        """Show counters before their first event."""


_in_force = Metrics()


def metrics() -> Metrics:
    """Return the implementation of this process."""
    return _in_force


def use(counting: Metrics) -> None:
    """Set the implementation of this process and of those that it forks from now on."""
    global _in_force  # noqa: PLW0603  # one per process, and forked children inherit it
    _in_force = counting

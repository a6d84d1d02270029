"""What the workers of a run do: pages that only take time, or (`llm_mode.py`) pages that a model is asked about."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from chaos.history import History, Log
from chaos.observer import Observer
from chaos.plan import Fault, make_plan
from chaos.producers import Producers
from chaos.scans import OUTPUT_BYTES, Scan, Scans

JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class Audit:
    """The mode's own part of the verdict: figures for the line, and violations."""

    figures: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


class Mode:
    """The stage `work` of tests/support/workload.py.

    Args:
        history_folder: folder for the history.
        seed: seed of the run.
    """

    name: ClassVar[str] = "work"
    application: ClassVar[str] = "tests.support.workload"
    """The Celery application; its module is also the command line."""
    queues: ClassVar[tuple[str, ...]] = ("work",)
    concurrency: ClassVar[Mapping[str, int]] = {"prefork": 2, "threads": 2}
    """Pages at a time, by pool."""
    max_attempts: ClassVar[int] = 50
    rest_cap_seconds: ClassVar[float] = 90.0
    probe_cap_seconds: ClassVar[float] = 45.0
    """Seconds in which every worker must take a page once the faults are over."""

    def __init__(self, history_folder: Path, seed: int) -> None:
        self.history_folder = history_folder
        self.seed = seed

    def plan(self, seconds: float) -> list[Fault]:
        """Return the faults of a run that lasts this many seconds."""
        return make_plan(self.seed, seconds)

    def start(self, stack: ExitStack) -> dict[str, str]:
        """Start what only this mode needs; the stack ends it.

        Returns:
            Variables for workers and producers.
        """
        del stack
        return {"WORK_BYTES": str(OUTPUT_BYTES)}

    def scans(self, root: Path, observer: Observer, producers: Producers, log: Log) -> Scans:
        """Return the scans of a run below a storage root."""
        return Scans(root, self.seed, observer, producers, log)

    def audit(self, scans: Sequence[Scan], history: History) -> Audit:
        """Return the mode's part of the verdict, at rest and with no worker running."""
        del scans, history
        return Audit()

"""What a run is about: pages that only take their time, or (`llm_mode.py`) pages that a model is asked about."""

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
    """What a mode has to say of its own at the end: figures for the line, and what is wrong."""

    figures: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


class Mode:
    """The stage `work` of tests/workload.py.

    Args:
        history_folder: for what is worth keeping.
        seed: of the run.
    """

    name: ClassVar[str] = "work"
    application: ClassVar[str] = "tests.support.workload"
    """Of Celery; its module is the command line too."""
    queues: ClassVar[tuple[str, ...]] = ("work",)
    concurrency: ClassVar[Mapping[str, int]] = {"prefork": 2, "threads": 2}
    """Pages at a time, by pool."""
    max_attempts: ClassVar[int] = 50
    rest_cap_seconds: ClassVar[float] = 90.0
    probe_cap_seconds: ClassVar[float] = 45.0
    """In which every worker has to take a page, with everything well."""

    def __init__(self, history_folder: Path, seed: int) -> None:
        self.history_folder = history_folder
        self.seed = seed

    def plan(self, seconds: float) -> list[Fault]:
        """The faults of a run of so many seconds."""
        return make_plan(self.seed, seconds)

    def start(self, stack: ExitStack) -> dict[str, str]:
        """Start what it needs beside the rest; the stack ends it.

        Returns:
            Variables for workers and producers.
        """
        del stack
        return {"WORK_BYTES": str(OUTPUT_BYTES)}

    def scans(self, root: Path, observer: Observer, producers: Producers, log: Log) -> Scans:
        """The scans of a run below a storage root."""
        return Scans(root, self.seed, observer, producers, log)

    def reckon(self, scans: Sequence[Scan], history: History) -> Audit:
        """What there is to say at rest, once no worker runs any more."""
        del scans, history
        return Audit()

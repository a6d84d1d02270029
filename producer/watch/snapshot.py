"""What is known at one moment: all that is shown, and nothing that could be asked further."""

from dataclasses import dataclass, field

from checkpointing.plurals import counted


@dataclass(frozen=True, slots=True)
class StageFacts:
    """One stage of one scan.

    Attributes:
        status: as in the checkpoint; `unreadable` where the file cannot be used.
        states: a `PageState` for each page of the book, in order; those in flight are marked.
        completed, waiting, quarantined: counts of pages; those in flight are not among the waiting ones.
        in_flight: the pages that a worker has in hand; None where Redis does not tell.
        latest: the failure of the page that was put in quarantine last, in words; empty without one.
        cost_usd: over all runs, in USD.
        expected_usd: what it will have cost when all pages asked for are done, in USD; None where nobody can say.
        pages_per_second: lately; None where nothing can be said yet.
        error: why it failed or waits for a person, in words.
        waits: what keeps its model from answering, in words; empty where nothing does.
        under_way: whether pages that were asked for are still to come.
        doubtful: how many complete pages have an implausible reading.
        doubts: which ones and why, in words, a line for each reason.
    """

    scan_id: str
    title: str
    stage: str
    status: str
    states: bytes
    completed: int = 0
    waiting: int = 0
    quarantined: int = 0
    in_flight: tuple[int, ...] | None = None
    latest: str = ""
    cost_usd: float = 0.0
    expected_usd: float | None = None
    pages_per_second: float | None = None
    error: str = ""
    waits: str = ""
    under_way: bool = False
    doubtful: int = 0
    doubts: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How it is named in a line."""
        return f"{self.scan_id}/{self.stage}"

    @property
    def total_pages(self) -> int:
        """Of the book."""
        return len(self.states)

    @property
    def eta_seconds(self) -> float | None:
        """Seconds until the pages asked for are done at the present rate; None where that says nothing."""
        left = self.waiting + len(self.in_flight or ())
        return left / self.pages_per_second if left and self.pages_per_second else None

    @property
    def summary(self) -> str:
        """`443 of 447 pages complete, 12 doubtful, 4 quarantined`."""
        words = f"{self.completed} of {counted(self.total_pages, 'page')} complete"
        doubtful = f", {self.doubtful} doubtful" if self.doubtful else ""
        return f"{words}{doubtful}" + (f", {self.quarantined} quarantined" if self.quarantined else "")


@dataclass(frozen=True, slots=True)
class Task:
    """A page that a worker says it has in hand.

    Attributes:
        since: seconds since the epoch; 0.0 where it does not say.
    """

    scan_id: str
    stage: str
    page: int
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that answers, and what it has in hand; nothing while it is idle."""

    name: str
    tasks: tuple[Task, ...] = ()


@dataclass(frozen=True, slots=True)
class Crew:
    """Who works, as of a few seconds ago.

    Attributes:
        workers: those that answer, by name.
        alive: how many say that they live; those that are too busy to answer are among them.
        slots: how many pages they take at once.
        asked: whether anybody was asked yet.
    """

    workers: tuple[Worker, ...] = ()
    alive: int = 0
    slots: int = 0
    asked: bool = False

    @property
    def tasks(self) -> list[Task]:
        """Everything in hand, of all workers."""
        return [task for worker in self.workers for task in worker.tasks]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that is shown.

    Attributes:
        stages: in the order in which they are shown; those of a scan are side by side.
        more: how many stages under way are not among them.
        crew: who works.
        broker_trouble: why Redis does not tell what is in flight and who works; empty while it does.
        storage_trouble: what cannot be read; empty while everything can.
        rest: the scans that are not shown, counted, in words; empty where all are shown.
        at: seconds since the epoch.
    """

    stages: tuple[StageFacts, ...] = ()
    more: int = 0
    crew: Crew = field(default_factory=Crew)
    broker_trouble: str = ""
    storage_trouble: str = ""
    rest: str = ""
    at: float = 0.0

    @property
    def under_way(self) -> bool:
        """Whether anything is still to come."""
        return self.more > 0 or any(stage.under_way for stage in self.stages)

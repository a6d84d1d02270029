"""The data model of `producer watch`: stages, their pages and the workers at one moment. Holds no connection."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from checkpointing.checkpoint import Checkpoint
from checkpointing.plurals import page_counts
from checkpointing.refs import StageRef


class PageState(IntEnum):
    """The state of a page in one stage, ordered by urgency: a cell of the grid shows the highest of its pages."""

    COMPLETE = 0
    NOT_QUEUED = 1
    WAITING = 2
    IN_FLIGHT = 3
    QUARANTINED = 4


@dataclass(frozen=True, slots=True)
class StageSnapshot:
    """One stage of one scan.

    Attributes:
        status: as in the checkpoint; `unreadable` if the file cannot be used.
        states: one `PageState` byte for each page of the book, in order.
        completed, waiting, quarantined: numbers of pages; pages in flight are not counted as waiting.
        in_flight: the pages that a worker is processing; None if Redis does not answer.
        last_failure: message of the page quarantined most recently; empty without one.
        cost_usd: over all runs.
        expected_usd: total cost once all requested pages are done; None if no estimate is possible.
        pages_per_second: recent rate; None before there is one.
        waits_for: why its model does not answer, or what no worker can read; empty if nothing is wrong.
        under_way: whether requested pages are still to come.
        doubtful: number of complete pages whose reading is implausible.
        doubts: which pages those are and why, one line for each reason.
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
    last_failure: str = ""
    cost_usd: float = 0.0
    expected_usd: float | None = None
    pages_per_second: float | None = None
    error: str = ""
    waits_for: str = ""
    under_way: bool = False
    doubtful: int = 0
    doubts: tuple[str, ...] = ()

    @property
    def ref(self) -> StageRef:
        """The stage and its scan."""
        return StageRef(self.scan_id, self.stage)

    @property
    def total_pages(self) -> int:
        """Number of pages of the book."""
        return len(self.states)

    @property
    def eta_seconds(self) -> float | None:
        """Seconds until the requested pages are done at the current rate; None if there is no rate."""
        left = self.waiting + len(self.in_flight or ())
        return left / self.pages_per_second if left and self.pages_per_second else None

    @property
    def summary(self) -> str:
        """`443 of 447 pages complete, 12 doubtful, 4 quarantined`."""
        return page_counts(self.completed, self.total_pages, self.doubtful, self.quarantined)

    def as_json(self) -> dict[str, Any]:
        """Return the form that `producer watch --once --json` prints."""
        return {
            "scan_id": self.scan_id,
            "title": self.title,
            "stage": self.stage,
            "status": self.status,
            "under_way": self.under_way,
            "total_pages": self.total_pages,
            "completed": self.completed,
            "waiting": self.waiting,
            "quarantined": self.quarantined,
            "in_flight_pages": None if self.in_flight is None else list(self.in_flight),
            "pages_per_second": self.pages_per_second,
            "eta_seconds": self.eta_seconds,
            "total_cost_usd": self.cost_usd,
            "expected_cost_usd": self.expected_usd,
            "error": self.error or None,
        }


@dataclass(frozen=True, slots=True)
class Task:
    """A page that a worker reports as in flight.

    Attributes:
        since: seconds since the epoch; 0.0 if the worker does not report it.
    """

    ref: StageRef
    page: int
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that answers, with its tasks; an idle worker has none."""

    name: str
    tasks: tuple[Task, ...] = ()


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of the deployment, as of a few seconds ago.

    Attributes:
        answering: the workers that answer, by name.
        alive: number of workers that report themselves alive, including those too busy to answer.
        slots: number of pages that they process at once.
        asked: whether the workers have been asked yet.
        lacking: what none of the workers that are alive can read, and what to install, by stage.
    """

    answering: tuple[Worker, ...] = ()
    alive: int = 0
    slots: int = 0
    asked: bool = False
    lacking: Mapping[StageRef, str] = field(default_factory=dict)

    @property
    def tasks(self) -> list[Task]:
        """The tasks of all workers."""
        return [task for worker in self.answering for task in worker.tasks]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the view shows.

    Attributes:
        stages: in display order; the stages of a scan are adjacent.
        more_stages: number of stages under way that are left out.
        redis_problem: why pages in flight and workers are unknown; empty while Redis answers.
        storage_problem: what cannot be read; empty if everything can.
        other_scans: one line that counts the scans not shown; empty if there are none.
        at: seconds since the epoch.
    """

    stages: tuple[StageSnapshot, ...] = ()
    more_stages: int = 0
    workers: Workers = field(default_factory=Workers)
    redis_problem: str = ""
    storage_problem: str = ""
    other_scans: str = ""
    at: float = 0.0

    @property
    def under_way(self) -> bool:
        """Whether requested pages of any stage are still to come."""
        return self.more_stages > 0 or any(stage.under_way for stage in self.stages)

    def as_json(self) -> dict[str, Any]:
        """Return the form that `producer watch --once --json` prints. Times are seconds since the epoch."""
        return {
            "at": self.at,
            "under_way": self.under_way,
            "stages": [stage.as_json() for stage in self.stages],
            "more_stages": self.more_stages,
            "workers": [
                {
                    "name": worker.name,
                    "tasks": [
                        {
                            "scan_id": task.ref.scan_id,
                            "stage": task.ref.stage,
                            "page": task.page,
                            "since": task.since,
                        }
                        for task in worker.tasks
                    ],
                }
                for worker in self.workers.answering
            ],
            "workers_alive": self.workers.alive,
            "slots": self.workers.slots,
            "redis_problem": self.redis_problem or None,
            "storage_problem": self.storage_problem or None,
        }


def page_states(checkpoint: Checkpoint, total_pages: int) -> bytes:
    """Return the state of each page of a book as the checkpoint records it, with no page in flight.

    Entries of the checkpoint for pages beyond the book are ignored.
    """
    states = bytearray([PageState.NOT_QUEUED]) * total_pages
    for first, last in checkpoint.requested:
        end = min(last, total_pages)
        if first <= end:
            states[first - 1 : end] = bytes([PageState.WAITING]) * (end - first + 1)
    for page in checkpoint.pages:
        if page <= total_pages:
            states[page - 1] = PageState.COMPLETE
    for failed in checkpoint.failed_pages:
        if failed.page <= total_pages:
            states[failed.page - 1] = PageState.QUARANTINED
    return bytes(states)


def with_in_flight(states: bytes, claimed: Iterable[int]) -> tuple[bytes, tuple[int, ...]]:
    """Return the states with claimed waiting pages in flight, and the numbers of these pages.

    A claimed page that the checkpoint has settled in the meantime stays settled.
    """
    pages = tuple(page for page in sorted(claimed) if page <= len(states) and states[page - 1] == PageState.WAITING)
    changed = bytearray(states)
    for page in pages:
        changed[page - 1] = PageState.IN_FLIGHT
    return bytes(changed), pages


def scaled(states: bytes, max_cells: int) -> tuple[bytes, int]:
    """Return the states reduced to at most `max_cells` cells, and the number of pages in each cell."""
    pages = max(1, -(-len(states) // max(max_cells, 1)))
    if pages == 1:
        return states, 1
    return bytes(max(states[start : start + pages]) for start in range(0, len(states), pages)), pages

"""Every metric: name, kind, labels and meaning. Docs, dashboard and alert rules are checked against this.

Nothing here imports the library. No counter has a scan or a page as a label: it would grow without end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """Type of a metric in Prometheus."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric.

    Attributes:
        name: name at the scrape; a histogram is scraped as `_bucket`, `_sum` and `_count` of it.
        kind: counter, histogram or gauge.
        meaning: one sentence, with the unit.
        labels: names of its labels.
        values: values of labels other than `stage` that are shown from the start, at 0.
        buckets: upper bounds of a histogram's buckets.
        shared: whether all workers report the same, because it is about the deployment: take `max`, not `sum`.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()
    shared: bool = False

    def series(self) -> set[str]:
        """Return the names of its series in Prometheus."""
        if self.kind is Kind.HISTOGRAM:
            return {f"{self.name}_{part}" for part in ("bucket", "sum", "count")}
        return {self.name}


# From a page that is only saved to one that a model thinks about for long.
_PAGE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_COMMIT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COMMIT_PAGES = (0, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000)


def _counter(name: str, meaning: str, **values: tuple[str, ...]) -> Definition:
    return Definition(name, Kind.COUNTER, meaning, ("stage", *values), values)


def _histogram(name: str, meaning: str, buckets: tuple[float, ...]) -> Definition:
    return Definition(name, Kind.HISTOGRAM, meaning, ("stage",), buckets=buckets)


def _gauge(name: str, meaning: str, *labels: str, shared: bool = True) -> Definition:
    return Definition(name, Kind.GAUGE, meaning, labels, shared=shared)


PAGES = _counter(
    "leafmark_pages_total",
    "Messages worked off, by what became of the page.",
    outcome=("complete", "already_complete", "held", "quarantined", "try_again", "waits", "handed_on", "paused"),
)
PAGE_SECONDS = _histogram(
    "leafmark_page_seconds",
    "Seconds from the message to the completion, of pages that this worker did.",
    _PAGE_SECONDS,
)
CLAIMS = _counter(
    "leafmark_claims_total",
    "Claims on pages: taken; held by another worker; lost while the page was processed, its result dropped.",
    event=("taken", "held", "lost"),
)
QUARANTINED = _counter(
    "leafmark_quarantined_pages_total",
    "Pages put in quarantine, by the kind of reason; stages have kinds of their own beside these.",
    kind=("crashed", "error", "memory", "timeout", "upstream"),
)
SPEND = _counter("leafmark_spend_usd_total", "USD spent on answers of models, those that were no use among them.")
COMMIT_SECONDS = _histogram(
    "leafmark_commit_seconds", "Seconds that a commit of an inbox into its checkpoint took.", _COMMIT_SECONDS
)
COMMIT_PAGES = _histogram(
    "leafmark_commit_pages", "Pages that a commit newly settled: complete or in quarantine.", _COMMIT_PAGES
)
HEALED = _counter(
    "leafmark_healed_pages_total",
    "Lost pages that the reconciler enqueued again, or adopted because their output was there.",
    action=("enqueued", "adopted"),
)
INBOX = _gauge("leafmark_inbox_entries", "Completions and failures that wait to be committed.", "stage")
WAITING = _gauge("leafmark_pages_waiting", "Pages that wait for their turn to enter the queue's window.", "stage")
WINDOW = _gauge("leafmark_pages_in_window", "Messages in Celery's queue that no worker has taken.", "stage")
BUDGET = _gauge("leafmark_budget_usd", "Budget in USD of a scan that has one and has work under way.", "scan")
BUDGET_LEFT = _gauge(
    "leafmark_budget_left_usd", "What is left of it in USD: neither spent nor reserved for calls under way.", "scan"
)
BROKER_UP = _gauge(
    "leafmark_broker_up",
    "1 when Redis answered this worker at the scrape, else 0, and the gauges above are missing.",
    shared=False,
)
BUILD = _gauge(
    "leafmark_build_info",
    "1; the labels say which Leafmark and which Python this worker runs.",
    "version",
    "python",
    shared=False,
)

ALL = tuple(each for each in globals().values() if isinstance(each, Definition))

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

PAGES = Definition(
    "leafmark_pages_total",
    Kind.COUNTER,
    "Messages worked off, by what became of the page.",
    ("stage", "outcome"),
    {"outcome": ("complete", "already_complete", "held", "quarantined", "try_again", "waits", "paused")},
)
PAGE_SECONDS = Definition(
    "leafmark_page_seconds",
    Kind.HISTOGRAM,
    "Seconds from the message to the completion, of pages that this worker did.",
    ("stage",),
    buckets=_PAGE_SECONDS,
)
CLAIMS = Definition(
    "leafmark_claims_total",
    Kind.COUNTER,
    "Claims on pages: taken; held by another worker; lost while the page was processed, its result dropped.",
    ("stage", "event"),
    {"event": ("taken", "held", "lost")},
)
QUARANTINED = Definition(
    "leafmark_quarantined_pages_total",
    Kind.COUNTER,
    "Pages put in quarantine, by the kind of reason; stages have kinds of their own beside these.",
    ("stage", "kind"),
    {"kind": ("crashed", "error", "memory", "timeout", "upstream")},
)
SPEND = Definition(
    "leafmark_spend_usd_total",
    Kind.COUNTER,
    "USD spent on answers of models, those that were no use among them.",
    ("stage",),
)
COMMIT_SECONDS = Definition(
    "leafmark_commit_seconds",
    Kind.HISTOGRAM,
    "Seconds that a commit of an inbox into its checkpoint took.",
    ("stage",),
    buckets=_COMMIT_SECONDS,
)
COMMIT_PAGES = Definition(
    "leafmark_commit_pages",
    Kind.HISTOGRAM,
    "Pages that a commit newly settled: complete or in quarantine.",
    ("stage",),
    buckets=_COMMIT_PAGES,
)
HEALED = Definition(
    "leafmark_healed_pages_total",
    Kind.COUNTER,
    "Lost pages that the reconciler enqueued again, or adopted because their output was there.",
    ("stage", "action"),
    {"action": ("enqueued", "adopted")},
)
INBOX = Definition(
    "leafmark_inbox_entries",
    Kind.GAUGE,
    "Completions and failures that wait to be committed.",
    ("stage",),
    shared=True,
)
WAITING = Definition(
    "leafmark_pages_waiting",
    Kind.GAUGE,
    "Pages that wait for their turn to enter the queue's window.",
    ("stage",),
    shared=True,
)
WINDOW = Definition(
    "leafmark_pages_in_window",
    Kind.GAUGE,
    "Messages in Celery's queue that no worker has taken.",
    ("stage",),
    shared=True,
)
BUDGET = Definition(
    "leafmark_budget_usd",
    Kind.GAUGE,
    "Budget in USD of a scan that has one and has work under way.",
    ("scan",),
    shared=True,
)
BUDGET_LEFT = Definition(
    "leafmark_budget_left_usd",
    Kind.GAUGE,
    "What is left of it in USD: neither spent nor reserved for calls under way.",
    ("scan",),
    shared=True,
)
BROKER_UP = Definition(
    "leafmark_broker_up",
    Kind.GAUGE,
    "1 when Redis answered this worker at the scrape, else 0, and the gauges above are missing.",
)
BUILD = Definition(
    "leafmark_build_info",
    Kind.GAUGE,
    "1; the labels say which Leafmark and which Python this worker runs.",
    ("version", "python"),
)

ALL = (
    PAGES,
    PAGE_SECONDS,
    CLAIMS,
    QUARANTINED,
    SPEND,
    COMMIT_SECONDS,
    COMMIT_PAGES,
    HEALED,
    INBOX,
    WAITING,
    WINDOW,
    BUDGET,
    BUDGET_LEFT,
    BROKER_UP,
    BUILD,
)

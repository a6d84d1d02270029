"""The words of a stage, for the view and for plain lines."""

from checkpointing.money import dollars
from producer.page_ranges import show_pages
from producer.watch.line import shown
from producer.watch.snapshot import StageFacts

_MOST_RUNS = 4


def clock(seconds: float) -> str:
    """A span of time: `1:42`, or `2:05:09`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def speed(stage: StageFacts) -> list[str]:
    """Rate and time to go, as far as there is any; none of what has ended."""
    parts: list[str] = []
    if not stage.under_way:
        return parts
    if stage.pages_per_second:
        parts.append(f"{stage.pages_per_second:.2f} pages/s")
    if stage.eta_seconds:
        parts.append(f"ETA {clock(stage.eta_seconds)}")
    return parts


def money(stage: StageFacts) -> str:
    """What it has cost, and what it is expected to have cost in the end."""
    spent = dollars(stage.cost_usd)
    return spent if stage.expected_usd is None else f"{spent} of about {dollars(stage.expected_usd)}"


def in_flight(stage: StageFacts) -> str:
    """The pages in hand and how many wait; empty where none are."""
    parts = []
    if stage.in_flight:
        parts.append(f"{len(stage.in_flight)} in flight: {show_pages(list(stage.in_flight), most=_MOST_RUNS)}")
    if stage.waiting:
        parts.append(f"{stage.waiting} waiting")
    return "; ".join(parts)


def trouble(stage: StageFacts) -> list[str]:
    """What a person should know, a line each: why it does not go on, what is in quarantine, what is doubtful."""
    lines = []
    if stage.waits and stage.under_way:
        lines.append(f"waits: {stage.waits}")
    if stage.error and stage.status in {"paused", "unreadable"}:
        lines.append(f"{stage.status}: {stage.error}")
    if stage.quarantined:
        lines.append(f"{stage.quarantined} quarantined, last {stage.latest}")
    return [*lines, *stage.doubts]


def status(stage: StageFacts) -> str:
    """How it stands, where nothing is under way; empty where something is."""
    return "" if stage.under_way else stage.status.replace("_", " ")


def plain_line(stage: StageFacts) -> str:
    """All of it in one line, for a log."""
    busy = f"{len(stage.in_flight)} in flight" if stage.in_flight else ""
    parts = [stage.summary, status(stage), *speed(stage), money(stage), busy]
    return f"{shown(stage.label)}: {'  '.join(filter(None, parts))}"

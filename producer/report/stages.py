"""How each stage stands, what it cost and when its pages were done: from its checkpoint and its ledger."""

from collections import Counter
from decimal import Decimal

from checkpointing.checkpoint import Checkpoint
from checkpointing.ledger import Ledger, State
from checkpointing.money import add_usd, usd
from producer.report.model import Calls, StageReport
from producer.status.checkpoint_snapshot import Snapshot
from producer.status.doubtful_pages import doubt_lines
from worker.stages.base import Stage


def stage_report(stage: Stage, snapshot: Snapshot, ledger: Ledger, total_pages: int) -> StageReport:
    """How a stage stands.

    Args:
        stage: which.
        snapshot: of its checkpoint; where that cannot be used, what could be read of it counts.
        ledger: what it has paid for.
        total_pages: of the book.

    Raises:
        OSError: the ledger cannot be read.
    """
    checkpoint = snapshot.checkpoint
    spent, calls = _read(ledger)
    records = checkpoint.pages.values()
    return StageReport(
        name=stage.name,
        status="unreadable" if snapshot.unusable else checkpoint.status.value,
        problem=snapshot.unusable or checkpoint.error,
        completed=len(checkpoint.pages),
        total_pages=checkpoint.total_pages or total_pages,
        quarantined=tuple(checkpoint.failed_pages),
        cost_usd=_total(checkpoint, sum(spent.values())),
        page_cost_usd=_by_page(checkpoint, spent),
        seconds=sum(record.seconds or 0.0 for record in records),
        moments=tuple(sorted(record.completed_at for record in records if record.completed_at is not None)),
        calls=calls,
        asks_model=stage.uses_model,
        doubtful=len(checkpoint.doubtful_pages),
        doubts=tuple(doubt_lines(checkpoint.doubtful_pages)),
    )


def _read(ledger: Ledger) -> tuple[dict[int, Decimal], Calls]:
    """Micro-dollars spent on each page, and the calls counted."""
    spent: dict[int, Decimal] = {}
    states: Counter[State] = Counter()
    at_risk = Decimal(0)
    for line in ledger.all():
        states[line.state] += 1
        if line.state is State.ASKED:
            at_risk += line.micro
        else:
            spent[line.page] = spent.get(line.page, Decimal(0)) + line.micro
    unanswered = states[State.ASKED]
    answered = states.total() - unanswered
    return spent, Calls(answered, states[State.REJECTED], unanswered, usd(at_risk))


def _total(checkpoint: Checkpoint, spent_micro: Decimal | int) -> float:
    """The checkpoint's total, or the ledger's where that is ahead of it."""
    return max(checkpoint.total_cost_usd, add_usd(checkpoint.earlier_cost_usd, usd(spent_micro)))


def _by_page(checkpoint: Checkpoint, spent_micro: dict[int, Decimal]) -> dict[int, float]:
    """Cost in USD of each page: by the ledger; by the checkpoint where it has none of the page."""
    costs = {page: record.cost_usd for page, record in checkpoint.pages.items() if record.cost_usd}
    return costs | {page: usd(micro) for page, micro in spent_micro.items() if micro}

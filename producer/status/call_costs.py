"""Model calls whose cost needs attention: those dearer than their reservation, and those without an answer."""

from typing import NamedTuple

from checkpointing.cost_overruns import read_overruns
from checkpointing.money import Money, dollars
from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from checkpointing.storage_errors import storage_errors
from worker.storage.book_store import BookStore


class CallCosts(NamedTuple):
    """A number of calls of a stage, and an amount in USD."""

    calls: int
    usd: float


def overruns_of(store: BookStore, ref: StageRef) -> CallCosts:
    """Return the calls that cost more than was reserved for them, and the excess.

    Raises:
        StorageError: the storage cannot be read.
    """
    scan_dir = store.scan(ref.scan_id).path
    with storage_errors(scan_dir):
        excess = [call.excess for call in read_overruns(scan_dir, ref.stage) if call.excess]
    return CallCosts(len(excess), Money.total(excess).usd)


def unanswered_of(store: BookStore, ref: StageRef) -> CallCosts:
    """Return the calls without an answer, under way or lost, and their maximum cost. Reads the ledger only.

    Raises:
        StorageError: the storage cannot be read.
    """
    ledger = store.ledger(ref)
    with storage_errors(ledger.path):
        calls = ledger.sums().open
    return CallCosts(len(calls), Money.total(calls.values()).usd)


def overrun_line(ref: StageRef, overruns: CallCosts) -> str:
    """Return one line about calls that cost more than was reserved for them."""
    calls = "1 call" if overruns.calls == 1 else f"{overruns.calls:,} calls"
    return f"{ref}: {calls} cost {dollars(overruns.usd)} more than was reserved: the configured price was wrong"


def unanswered_line(ref: StageRef, unanswered: CallCosts) -> str:
    """Return one line about calls without an answer."""
    line = f"{ref}: {counted(unanswered.calls, 'call has', 'calls have')} no answer"
    if not unanswered.usd:
        return line
    return f"{line} and may have cost up to {dollars(unanswered.usd)} more, which counts in the budget"

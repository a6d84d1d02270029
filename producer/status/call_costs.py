"""Calls that have no answer, for people: they are under way, or may have been billed for nothing."""

from typing import NamedTuple

from checkpointing.money import Money, dollars
from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from checkpointing.storage_errors import storage_error
from worker.deployment import Deployment


class Unanswered(NamedTuple):
    """The calls of a stage of a scan that have no answer.

    Attributes:
        calls: how many.
        most_usd: the most that they may cost, in USD.
    """

    calls: int
    most_usd: float


def unanswered_of(deployment: Deployment, ref: StageRef) -> Unanswered:
    """Count the calls of a stage of a scan that have no answer, from its ledger alone.

    Raises:
        StorageError: the storage cannot be read.
    """
    ledger = deployment.ledger(ref)
    try:
        calls = ledger.sums().open
    except OSError as error:
        raise storage_error(error, ledger.path) from error
    return Unanswered(len(calls), Money.total(calls.values()).usd)


def unanswered_line(ref: StageRef, unanswered: Unanswered) -> str:
    """Return one line about calls without an answer; there is at least one."""
    have = "has" if unanswered.calls == 1 else "have"
    line = f"{ref}: {counted(unanswered.calls, 'call')} {have} no answer"
    if not unanswered.most_usd:
        return line
    return f"{line} and may have cost up to {dollars(unanswered.most_usd)} more, which counts in the budget"

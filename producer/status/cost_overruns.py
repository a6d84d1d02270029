"""Calls that cost more than was reserved for them, for people."""

from collections.abc import Sequence

from checkpointing.money import Money, dollars
from checkpointing.refs import StageRef
from checkpointing.storage_errors import storage_error
from checkpointing.surprises import Surprise, read_surprises
from worker.deployment import Deployment


def surprises_of(deployment: Deployment, ref: StageRef) -> list[Surprise]:
    """Return the calls of a stage of a scan that cost more than was reserved for them.

    Raises:
        StorageError: the storage cannot be read.
    """
    scan_dir = deployment.scan(ref.scan_id).path
    try:
        return [surprise for surprise in read_surprises(scan_dir, ref.stage) if surprise.excess_micro]
    except OSError as error:
        raise storage_error(error, scan_dir) from error


def excess_usd(surprises: Sequence[Surprise]) -> float:
    """Return what calls cost beyond what was reserved for them, in USD."""
    return Money.from_micro(sum(surprise.excess_micro for surprise in surprises)).usd


def dearer_line(ref: StageRef, calls: int, excess: float) -> str:
    """Return one line about calls that were dearer than their reservations.

    Args:
        ref: which stage of which scan.
        calls: how many.
        excess: what they cost beyond what was reserved for them, in USD.
    """
    counted = "1 call" if calls == 1 else f"{calls:,} calls"
    more = f"{counted} cost {dollars(excess)} more than was reserved"
    return f"{ref}: {more}: the price known then was wrong"

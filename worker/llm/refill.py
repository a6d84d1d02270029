"""Filling the meter of a scan from its ledgers: after a flush of Redis, and whenever it is to be counted anew.

Calls that were planned and not sent are taken back first. Those of dead workers would block the budget for good; a
worker that lives plans its call anew.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from checkpointing.ledger import Ledger, ledger_stages
from worker.llm.meter import Count, Meter


def refill(scan_dir: Path, meter: Meter) -> bool:
    """Count the ledgers of all stages of a scan, and tell the meter, unless it is filled.

    Returns:
        Whether it was this that filled it.

    Raises:
        OSError: the storage failed: nobody knows what was spent, so nothing may be.
        RedisError: the broker failed.
    """
    return meter.refill(partial(_count, scan_dir))


def take_back_planned(ledger: Ledger, meter: Meter, pages: Iterable[int]) -> None:
    """Take back the calls for some pages that were planned and not sent, and what was reserved for them.

    Raises:
        OSError: the storage failed.
        RedisError: the broker failed; the reservations stand until the next recount.
    """
    for page in pages:
        for attempt in ledger.take_back_planned(page):
            meter.cancel(attempt)


def _count(scan_dir: Path) -> Count:
    sums = [Ledger(scan_dir, stage).sums(take_back_planned=True) for stage in ledger_stages(scan_dir)]
    reservations = {attempt: amount for each in sums for attempt, amount in each.open.items()}
    return Count(sum(each.total for each in sums), reservations)

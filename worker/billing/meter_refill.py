"""Fill the meter of a scan from its ledgers, after a flush of Redis and for a recount.

Calls that were planned and not sent are taken back first: those of dead workers would block the budget for ever,
and a live worker plans its call again.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from checkpointing.cost_overruns import CostOverrun, read_overruns
from checkpointing.errors import StorageError
from checkpointing.ledger import LEDGER_FOLDER, Ledger, ledger_stages
from checkpointing.money import Money
from checkpointing.storage_errors import StorageCheck, no_check
from worker.billing.learned_costs import LearnedCosts
from worker.billing.meter import Count, Meter


def refill(scan_dir: Path, meter: Meter, learned: LearnedCosts, check: StorageCheck = no_check) -> bool:
    """Count the ledgers of all stages of a scan into the meter, unless it is filled; return whether it was not.

    The cost overruns of all scans of this storage root are learned before. After the ledgers were read, `check`
    raises where the storage is not the right one.

    Raises:
        OSError, StorageError, RedisError: storage or broker failed: what was spent is not known, so no call may be
            made.
    """
    return meter.refill(partial(_count, scan_dir, learned, check))


def take_back_planned(ledger: Ledger, meter: Meter, pages: Iterable[int]) -> None:
    """Take back the planned calls for some pages, and their reservations."""
    for page in pages:
        for attempt in ledger.take_back_planned(page):
            meter.cancel(attempt)


def _count(scan_dir: Path, learned: LearnedCosts, check: StorageCheck) -> Count:
    learned.take(_all_overruns(scan_dir.parent))
    sums = [Ledger(scan_dir, stage).sums(take_back_planned=True) for stage in ledger_stages(scan_dir)]
    # A missing folder looks like one without ledgers, and everything that was paid would be forgotten.
    check()
    if not scan_dir.is_dir():
        raise StorageError(
            f"{scan_dir} does not exist, so no paid call is made", hint="check that the storage is mounted"
        )
    reservations = {attempt: amount for each in sums for attempt, amount in each.open.items()}
    return Count(Money.total(each.total for each in sums), reservations)


def _all_overruns(root: Path) -> Iterator[CostOverrun]:
    """Return the cost overruns of all scans of a storage root, except those that cannot be read."""
    for folder in root.glob(f"*/{LEDGER_FOLDER}/"):
        with suppress(OSError):
            for stage in ledger_stages(folder.parent):
                yield from read_overruns(folder.parent, stage)

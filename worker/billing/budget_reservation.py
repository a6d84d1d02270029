"""Reserving room in the budget for a call before it is made.

A call is planned in the ledger with the maximum that it may cost, and then reserved in the meter, in one step over
all machines. A call that has to wait for room is withdrawn and later planned again under a new id, because a call
that only waits must not take room.
"""

import time
from decimal import Decimal

from redis.exceptions import RedisError

from checkpointing.ledger_entry import Call, new_attempt
from checkpointing.money import Money
from worker.billing.meter import Reserved
from worker.billing.meter_refill import take_back_planned
from worker.billing.stage_account import PageQuestion, StageAccount
from worker.llm.errors import BudgetReachedError


def reserve(account: StageAccount, question: PageQuestion) -> Call:
    """Plan a call, and reserve room in the budget for it; wait where calls under way may leave room.

    Returns:
        The planned call; or an answered one, where another worker has paid for the answer meanwhile.

    Raises:
        ClaimLostError: another worker has the page.
        BudgetReachedError: the budget has no room.
        OSError, StorageError, RedisError: storage or broker failed; nothing was spent.
    """
    deadline = time.monotonic() + account.endpoint.waiting.turn_seconds
    is_recounted = False
    while True:
        if (paid := account.check_again(question)) is not None:
            return paid
        budget = account.budget()
        call = plan(account, question)
        granted = ask_meter(account, call, budget)
        if granted is Reserved.GRANTED:
            return call
        if granted is Reserved.EMPTY:
            continue
        # Before the wait: a call that only waits must not take room.
        account.withdraw(call)
        if granted is Reserved.WAIT and _has_room_before(account, deadline, call):
            continue
        if account.budget() != budget:
            # Changed meanwhile: a pause would be for a budget that is no longer in force.
            continue
        if is_recounted:
            # The last wait may have been a long one, too.
            if (paid := account.check_again(question)) is not None:
                return paid
            raise _budget_reached(account, call, budget)
        # Dead workers, and commands whose reply was lost, may have left too much in the meter.
        account.meter.empty()
        is_recounted = True


def plan(account: StageAccount, question: PageQuestion) -> Call:
    """Record a call as planned, with the maximum that it may cost; take earlier plans for the page back."""
    # A worker that had this page before is dead, or is about to notice that it lost its claim.
    take_back_planned(account.ledger, account.meter, [question.page])
    call = Call(
        attempt=new_attempt(),
        scan_id=account.scan_id,
        stage=account.stage,
        page=question.page,
        provider=account.endpoint.provider,
        model=account.endpoint.model,
        request_sha256=question.sha256,
        most_micro=account.to_reserve(question.estimate).rounded_up,
    )
    account.ledger.plan(call)
    return call


def ask_meter(account: StageAccount, call: Call, budget: Decimal | None) -> Reserved:
    """Reserve the maximum that a planned call may cost, where the budget has room.

    Returns:
        The meter's answer. After `EMPTY` the meter is filled, and the call has to be planned again.
    """
    limit = None if budget is None else Money.from_usd(budget)
    try:
        granted = account.meter.reserve(call.attempt, call.most, limit)
        if granted is Reserved.EMPTY:
            # The refill takes back all planned calls; a reservation must not outlive its plan.
            account.ledger.withdraw(call)
            account.refill()
    except RedisError:
        account.ledger.withdraw(call)
        raise
    return granted


def _has_room_before(account: StageAccount, deadline: float, call: Call) -> bool:
    """Wait until calls under way cost less than was reserved for them, or the budget was raised."""
    wait = account.endpoint.waiting
    while time.monotonic() < deadline:
        wait.sleep(wait.poll_seconds)
        reading, budget = account.meter.read(), account.budget()
        if reading is None or budget is None or reading.total + call.most <= Money.from_usd(budget):
            return True
    return False


def _budget_reached(account: StageAccount, call: Call, budget: Decimal | None) -> BudgetReachedError:
    reading = account.meter.read()
    spent = "" if reading is None else f" {reading.spent} spent,"
    reserved = "" if reading is None or not reading.reserved else f" {reading.reserved} reserved,"
    return BudgetReachedError(
        f"the budget of ${budget} is reached:{spent}{reserved} and the next page may cost "
        f"{call.most}{account.endpoint.recent_failures()}",
        budget,
        hint=f"raise it with `producer enqueue {account.scan_id} --stage {account.stage} --budget USD`",
    )

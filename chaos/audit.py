"""What each call on the bill was for, and whether bill and ledgers agree: pure functions over the accounts."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from enum import StrEnum

from chaos.accounts import Accounts, Entry
from chaos.history import Attempt, Page
from checkpointing.ledger_entry import State
from checkpointing.money import Money
from sample.provider import BillRow, Trouble

_LOOK_TO_ASK_SECONDS = 1.0
"""Time from a look into the ledger to the record of a call, in a process that was just resumed."""
_REFUSED = frozenset({Trouble.RATE_LIMITED, Trouble.SERVER_ERROR})


class Use(StrEnum):
    """What a call on the bill was for."""

    USED = "used"
    """The page is made from its answer, or will be."""
    PROVIDER = "spoilt by the provider"
    """The provider refused it, cut it off or answered wrongly, on purpose."""
    KILL = "in flight at a kill"
    """The worker died before the answer was on disk."""
    LOST_CLAIM = "in flight as another took the page"
    """A fault had cost the worker its claim, and another worker asked the same question meanwhile."""
    PAID_AGAIN = "paid again"
    """An answer to the same question was in the ledger before the call was recorded."""
    BEYOND = "beyond"
    """Nothing explains it."""


def classify(accounts: Accounts) -> dict[str, Use]:
    """Return what each call on the bill was for, by its id."""
    kills = Counter(attempt.page for attempt in accounts.attempts if attempt.end is None)
    uses: dict[str, Use] = {}
    for row in accounts.rows:
        entry = accounts.entry_of_answer.get(row.id)
        if entry is not None:
            uses[row.id] = _use_of_answer(accounts, row, entry)
        elif row.trouble in _REFUSED or row.trouble is Trouble.DROPPED:
            uses[row.id] = Use.PROVIDER
        else:
            page = accounts.page_of(row)
            uses[row.id] = Use.KILL if kills[page] else Use.BEYOND
            kills[page] -= 1
    return uses


def violations(accounts: Accounts) -> list[str]:
    """Return every difference between bill, ledgers, checkpoints and budgets."""
    checks: tuple[Callable[[Accounts], Iterator[str]], ...] = (
        calls_too_many,
        asked_again,
        unknown_to_the_ledger,
        wrong_costs,
        over_budget,
        wrong_totals,
    )
    return [found for check in checks for found in check(accounts)]


def calls_too_many(accounts: Accounts) -> Iterator[str]:
    """Yield calls that no page needs, and that neither the provider nor a fault explains."""
    uses = classify(accounts)
    for row in accounts.rows:
        if uses[row.id] is not Use.BEYOND:
            continue
        where = f"{_named(accounts.page_of(row))}: {row.id} (${row.billed_usd}, trouble: {row.trouble or 'none'})"
        entry = accounts.entry_of_answer.get(row.id)
        if entry is None:
            yield f"{where} was answered, is in no ledger, and no worker died during it"
        else:
            yield f"{where} is {entry.state} in the ledger, and nothing explains why it was made"


def asked_again(accounts: Accounts) -> Iterator[str]:
    """Yield calls to which an answer, already paid for, was in the ledger."""
    for entry in accounts.entries:
        earlier = _answer_before(accounts, entry)
        if earlier is not None:
            yield (
                f"{_named(entry.page)}: call {entry.attempt} was recorded at {entry.asked_at:.3f}, and the answer "
                f"{earlier.answer_id} to the same question was in the ledger since {earlier.answered_at:.3f}"
            )


def unknown_to_the_ledger(accounts: Accounts) -> Iterator[str]:
    """Yield pages with billed calls that are in no ledger, not even as asked."""
    asked = Counter(entry.page for entry in accounts.entries if entry.state is State.ASKED)
    unanswered = Counter(
        accounts.page_of(row) for row in accounts.rows if row.billed_usd and row.id not in accounts.entry_of_answer
    )
    for page, count in unanswered.items():
        if count > asked[page]:
            yield f"{_named(page)}: {count} calls were billed that the ledger has no answer of, nor as asked"


def wrong_costs(accounts: Accounts) -> Iterator[str]:
    """Yield answers with another cost or page than on the bill, and answers that are on no bill."""
    rows = {row.id: row for row in accounts.rows}
    for answer_id, entry in accounts.entry_of_answer.items():
        row, noted = rows.get(answer_id), entry.amount.exact_usd
        if row is None:
            yield f"{_named(entry.page)}: the answer {answer_id} is on no bill"
        elif accounts.page_of(row) != entry.page:
            yield f"{_named(entry.page)} has the answer {answer_id}, which is about {_named(accounts.page_of(row))}"
        elif noted != row.billed_usd and (row.usage_reported or noted < row.billed_usd):
            yield f"{_named(entry.page)}: {answer_id} costs ${row.billed_usd}, the ledger says ${noted}"


def over_budget(accounts: Accounts) -> Iterator[str]:
    """Yield books that were billed more than their budgets."""
    for scan_id, over in overshoots(accounts).items():
        yield f"{scan_id} has a budget of ${accounts.budgets_usd[scan_id]} and was billed ${over} more"


def overshoots(accounts: Accounts) -> dict[str, Decimal]:
    """Return what was billed beyond the budget, in USD, for each book where it was."""
    billed: dict[str, Decimal] = defaultdict(Decimal)
    for row in accounts.rows:
        billed[accounts.scan_of_page[row.page]] += row.billed_usd
    over = {scan_id: amount - accounts.budgets_usd[scan_id] for scan_id, amount in billed.items()}
    return {scan_id: amount for scan_id, amount in over.items() if amount > 0}


def wrong_totals(accounts: Accounts) -> Iterator[str]:
    """Yield stages whose checkpoint has another total than the ledger."""
    for (scan_id, stage), total in accounts.totals_usd.items():
        spent = _spent_usd(accounts.entries, f"{scan_id}/{stage}")
        if spent != total:
            yield f"{scan_id}/{stage} has cost ${spent} by its ledger, and ${total} by its checkpoint"


def _use_of_answer(accounts: Accounts, row: BillRow, entry: Entry) -> Use:
    if _answer_before(accounts, entry) is not None:
        return Use.PAID_AGAIN
    if entry.state is State.REJECTED and row.trouble is not None:
        return Use.PROVIDER
    if entry.state is not State.ANSWERED:
        return Use.BEYOND
    first = accounts.usable[entry.page][0]
    if entry is first:
        return Use.USED
    # One question a page and stage, because nothing that it is made from changes.
    is_double = entry.question == first.question
    return Use.LOST_CLAIM if is_double and _were_two(accounts.attempts_at[entry.page]) else Use.BEYOND


def _answer_before(accounts: Accounts, entry: Entry) -> Entry | None:
    """Return an answer to the same question that could be used when a call was recorded."""
    for earlier in accounts.usable[entry.page]:
        at = earlier.answered_at
        if earlier.question != entry.question or at is None or at >= entry.asked_at:
            continue
        if not _looked_before(accounts, entry, at):
            return earlier
    return None


def _looked_before(accounts: Accounts, entry: Entry, answered_at: float) -> bool:
    """Return whether the worker was paused between its look and its record, so that it could not see an answer."""
    pids = {
        attempt.pid
        for attempt in accounts.attempts_at[entry.page]
        if attempt.begin <= answered_at and entry.asked_at <= (attempt.end or math.inf)
    }
    return any(
        fault.kind == "pause-worker"
        and pids.intersection(fault.pids)
        and fault.time <= entry.asked_at
        and answered_at <= fault.until
        and entry.asked_at <= fault.until + _LOOK_TO_ASK_SECONDS
        for fault in accounts.faults
    )


def _were_two(attempts: Sequence[Attempt]) -> bool:
    """Return whether two attempts at a page were under way at once."""
    in_order = sorted(attempts, key=lambda attempt: attempt.begin)
    return any(
        later.begin < (earlier.end or math.inf)
        for number, earlier in enumerate(in_order)
        for later in in_order[number + 1 :]
    )


def _spent_usd(entries: Iterable[Entry], name: str) -> Decimal:
    spent = (entry.amount for entry in entries if entry.page[0] == name and entry.state is not State.ASKED)
    return Money.total(spent).exact_usd


def _named(page: Page) -> str:
    return f"{page[0]} page {page[1]}"

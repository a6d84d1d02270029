"""What the LLM mode compares: the provider's bill and the ledgers of all stages."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from chaos.history import Attempt, FaultRecord, Page
from checkpointing.ledger import Ledger, ledger_stages
from checkpointing.ledger_entry import Call, State
from checkpointing.money import Money
from sample.provider import BillRow
from worker.llm.raw_answer import parsed_object


@dataclass(frozen=True, slots=True)
class Entry:
    """A call as it is recorded in a ledger.

    Attributes:
        page: the stage of a book, `book/stage`, and the page.
        attempt: the id of the call.
        state: the state of the call.
        amount: its cost, or the maximum that it may cost.
        question: hash of the request.
        asked_at: seconds since the epoch, to the millisecond.
        answered_at: seconds since the epoch; None where there is no answer.
        answer_id: the provider's id of the answer; empty where there is none.
    """

    page: Page
    attempt: str
    state: State
    amount: Money
    question: str
    asked_at: float
    answered_at: float | None = None
    answer_id: str = ""


@dataclass(frozen=True)
class Accounts:
    """Everything that the audit compares.

    Attributes:
        rows: the rows of the bill, oldest first.
        entries: the calls in all ledgers.
        attempts: those in the journal.
        faults: those that happened.
        scan_of_page: the book that a page number belongs to.
        budgets_usd: the budgets of the books, by scan id.
        totals_usd: the total cost in the checkpoint of a stage, by scan id and stage.
    """

    rows: Sequence[BillRow]
    entries: Sequence[Entry]
    attempts: Sequence[Attempt]
    faults: Sequence[FaultRecord]
    scan_of_page: Mapping[int, str]
    budgets_usd: Mapping[str, Decimal]
    totals_usd: Mapping[tuple[str, str], Decimal]

    def page_of(self, row: BillRow) -> Page:
        """Return the page that a row of the bill is about."""
        return f"{self.scan_of_page[row.page]}/{row.stage}", row.page

    @cached_property
    def entry_of_answer(self) -> dict[str, Entry]:
        """The calls that were answered, by the id of the answer."""
        return {entry.answer_id: entry for entry in self.entries if entry.answer_id}

    @cached_property
    def usable(self) -> dict[Page, list[Entry]]:
        """The answers that were not rejected, by page, oldest first."""
        found: dict[Page, list[Entry]] = defaultdict(list)
        for entry in sorted(self.entries, key=lambda each: each.answered_at or 0):
            if entry.state is State.ANSWERED:
                found[entry.page].append(entry)
        return found

    @cached_property
    def attempts_at(self) -> dict[Page, list[Attempt]]:
        """The attempts by page."""
        found: dict[Page, list[Attempt]] = defaultdict(list)
        for attempt in self.attempts:
            found[attempt.page].append(attempt)
        return found


def read_entries(scan_dir: Path) -> Iterator[Entry]:
    """Yield the calls in all ledgers of a book.

    Raises:
        OSError: the storage failed.
        ValueError: the file of a call is damaged, which no fault of this mode causes.
    """
    for stage in ledger_stages(scan_dir):
        ledger = Ledger(scan_dir, stage)
        calls = {call.attempt: call for call in ledger.calls(*State)}
        for line in ledger.all():
            if line.attempt not in calls:
                raise ValueError(f"{scan_dir.name}/{stage} page {line.page}: call {line.attempt} is damaged")
            yield _entry(calls[line.attempt], line.state, line.amount)


def _entry(call: Call, state: State, amount: Money) -> Entry:
    answer_id = parsed_object(call.answer).get("id") if call.answer else ""
    return Entry(
        page=(f"{call.scan_id}/{call.stage}", call.page),
        attempt=call.attempt,
        state=state,
        amount=amount,
        question=call.request_sha256,
        asked_at=call.asked_at.timestamp(),
        answered_at=None if call.answered_at is None else call.answered_at.timestamp(),
        answer_id=answer_id if isinstance(answer_id, str) else "",
    )

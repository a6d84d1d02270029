"""The audit is shown a fault of each kind in the books, and beside it what only looks like one."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from chaos.accounts import Accounts, Entry, read_entries
from chaos.audit import Use, classify, overshoots, violations
from chaos.history import Attempt, FaultRecord
from checkpointing.ledger import Ledger
from checkpointing.ledger_entry import Call, State
from checkpointing.money import Money
from sample.provider import BillRow, Trouble

PAGE = ("book/fix", 3)
_BUDGET = Decimal("0.01")
_PRICE = Decimal("0.000400")
_MICRO = 400


def row(name: str, *, trouble: Trouble | None = None, usd: Decimal = _PRICE, told: bool = True) -> BillRow:
    return BillRow(
        id=name,
        request_sha256="0" * 64,
        page=3,
        stage="fix",
        billed_usd=usd,
        trouble=trouble,
        answer_sent=True,
        usage_reported=told,
    )


def answered(
    name: str, asked: float = 10.0, until: float = 11.0, *, state: State = State.ANSWERED, micro: int = _MICRO
) -> Entry:
    return Entry(PAGE, f"of {name}", state, Money.from_micro(micro), "a question", asked, until, name)


def asked(at: float = 10.0) -> Entry:
    return Entry(PAGE, "unanswered", State.ASKED, Money.from_micro(2500), "a question", at)


def books(
    rows: Sequence[BillRow] = (),
    entries: Sequence[Entry] = (),
    attempts: Sequence[Attempt] = (),
    faults: Sequence[FaultRecord] = (),
    total: Decimal | None = None,
) -> Accounts:
    """The accounts of one page, whose checkpoint agrees with its ledger unless it is said what it says."""
    spent = Money.total(entry.amount for entry in entries if entry.state is not State.ASKED).exact_usd
    return Accounts(
        rows=rows,
        entries=entries,
        attempts=attempts,
        faults=faults,
        scan_of_page={3: "book"},
        budgets_usd={"book": _BUDGET},
        totals_usd={("book", "fix"): spent if total is None else total},
    )


@pytest.mark.parametrize(
    ("accounts", "use"),
    [
        (books([row("a")], [answered("a")]), Use.USED),
        (books([row("a", trouble=Trouble.PROSE)], [answered("a")]), Use.USED),
        (books([row("a", trouble=Trouble.LOOP)], [answered("a", state=State.REJECTED)]), Use.PROVIDER),
        (books([row("a", trouble=Trouble.SERVER_ERROR, usd=Decimal(0))]), Use.PROVIDER),
        (books([row("a", trouble=Trouble.DROPPED)], [asked()]), Use.PROVIDER),
        (books([row("a")], [asked()], [Attempt(PAGE, 7, 9.0)]), Use.KILL),
    ],
    ids=["used", "odd and used", "answered wrongly", "refused", "cut off", "killed"],
)
def test_a_call_that_had_to_be_made_is_explained(accounts: Accounts, use: Use) -> None:
    assert classify(accounts) == {"a": use}
    assert not violations(accounts)


def test_an_answer_in_no_ledger_without_a_death_is_found() -> None:
    accounts = books([row("a")], [asked()], [Attempt(PAGE, 7, 9.0, 12.0)])
    assert classify(accounts) == {"a": Use.BEYOND}
    (found,) = violations(accounts)
    assert "is in no ledger, and no worker died during it" in found


def test_one_death_explains_one_call() -> None:
    accounts = books([row("a"), row("b")], [asked(), asked()], [Attempt(PAGE, 7, 9.0)])
    assert classify(accounts) == {"a": Use.KILL, "b": Use.BEYOND}


def test_a_right_answer_that_was_refused_is_found() -> None:
    accounts = books([row("a")], [answered("a", state=State.REJECTED)])
    assert classify(accounts) == {"a": Use.BEYOND}


def test_a_question_whose_answer_was_there_is_paid_again() -> None:
    accounts = books([row("a"), row("b")], [answered("a"), answered("b", 11.5, 12.0)])
    assert classify(accounts) == {"a": Use.USED, "b": Use.PAID_AGAIN}
    (found,) = violations(accounts)
    assert "the answer a to the same question was in the ledger since 11.000" in found


def test_a_question_is_asked_again_also_where_no_answer_comes() -> None:
    accounts = books([row("a"), row("b", trouble=Trouble.DROPPED)], [answered("a"), asked(11.5)])
    (found,) = violations(accounts)
    assert "was recorded at 11.500" in found


def test_a_rejected_answer_may_be_asked_for_again() -> None:
    wrong = row("a", trouble=Trouble.REFUSAL)
    accounts = books([wrong, row("b")], [answered("a", state=State.REJECTED), answered("b", 11.5, 12.0)])
    assert classify(accounts) == {"a": Use.PROVIDER, "b": Use.USED}
    assert not violations(accounts)


@pytest.mark.parametrize(("resumed", "use"), [(11.4, Use.LOST_CLAIM), (10.2, Use.PAID_AGAIN)])
def test_who_was_paused_between_the_look_and_the_note_cannot_know(resumed: float, use: Use) -> None:
    accounts = books(
        [row("a"), row("b")],
        [answered("a"), answered("b", 11.5, 12.0)],
        [Attempt(PAGE, 7, 9.0, 12.1), Attempt(PAGE, 8, 9.9, 11.1)],
        [FaultRecord("pause-worker", "main", 9.5, resumed, pids=(7,))],
    )
    assert classify(accounts)["b"] is use


def test_two_who_ask_at_once_were_two_at_the_page() -> None:
    both = [row("a"), row("b")], [answered("a", 10.0, 12.0), answered("b", 11.0, 13.0)]
    two = [Attempt(PAGE, 7, 9.0, 12.1), Attempt(PAGE, 8, 10.5, 13.1)]
    assert classify(books(*both, two))["b"] is Use.LOST_CLAIM
    assert classify(books(*both, two[:1]))["b"] is Use.BEYOND


def test_a_billed_call_of_which_the_ledger_knows_nothing_is_found() -> None:
    accounts = books([row("a", trouble=Trouble.DROPPED)])
    assert violations(accounts) == [
        "book/fix page 3: 1 calls were billed that the ledger has no answer of, nor as asked"
    ]


@pytest.mark.parametrize(("micro", "told", "fault"), [(401, True, True), (2500, False, False), (399, False, True)])
def test_a_cost_is_the_bills_and_where_that_is_not_told_no_less(micro: int, told: bool, fault: bool) -> None:
    accounts = books([row("a", told=told)], [answered("a", micro=micro)])
    assert (
        any(f"the ledger says ${micro * Decimal('0.000001')}" in found for found in violations(accounts)) is fault
    )


def test_an_answer_that_is_on_no_bill_is_found() -> None:
    assert violations(books([], [answered("a")])) == ["book/fix page 3: the answer a is on no bill"]


def test_a_bill_beyond_the_budget_is_found_to_the_micro_dollar() -> None:
    most = books([row("a", usd=_BUDGET)], [answered("a", micro=10_000)])
    assert not violations(most)
    more = books([row("a", usd=_BUDGET + Decimal("0.000001"))], [answered("a", micro=10_001)])
    assert overshoots(more) == {"book": Decimal("0.000001")}
    assert violations(more) == ["book has a budget of $0.01 and was billed $0.000001 more"]


def test_a_checkpoint_that_does_not_say_what_the_ledger_says_is_found() -> None:
    (found,) = violations(books([row("a")], [answered("a")], total=Decimal("0.0003")))
    assert "has cost $0.000400 by its ledger, and $0.0003 by its checkpoint" in found


def test_entries_are_read_from_the_ledgers_with_the_providers_name_of_the_answer(tmp_path: Path) -> None:
    call = Call(
        attempt="a" * 32,
        scan_id="book",
        stage="fix",
        page=3,
        provider="a-provider",
        model="a-model",
        request_sha256="1" * 64,
        most_micro=2500,
    )
    ledger = Ledger(tmp_path, "fix")
    ledger.ask(call)
    (entry,) = read_entries(tmp_path)
    assert (entry.page, entry.state, entry.amount, entry.answer_id) == (
        PAGE,
        State.ASKED,
        Money.from_micro(2500),
        "",
    )
    answer = call.model_copy(
        update={"cost_micro": _MICRO, "answered_at": call.asked_at, "answer": '{"id": "chatcmpl-7"}'}
    )
    ledger.answer(answer)
    (entry,) = read_entries(tmp_path)
    assert (entry.state, entry.amount, entry.answer_id) == (State.ANSWERED, Money.from_micro(_MICRO), "chatcmpl-7")


def test_a_damaged_call_is_not_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "ledger" / "fix" / "page_0003"
    folder.mkdir(parents=True)
    (folder / f"{'a' * 32}.answered.400.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        list(read_entries(tmp_path))

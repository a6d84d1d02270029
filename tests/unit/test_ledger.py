"""The ledger: money is on record before its result is used, is never forgotten, and is counted once."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from checkpointing.ledger import Ledger, ledger_stages
from checkpointing.ledger_entry import Call, State, new_attempt
from checkpointing.money import Money
from checkpointing.refs import StageRef
from tests.support import calls
from tests.support.calls import QUESTION

micro = Money.from_micro

ANOTHER = "b" * 64


def a_call(page: int = 7, question: str = QUESTION, most: int = 900) -> Call:
    return calls.a_call(StageRef("a-book", "correction"), page, most, question=question)


def answered(call: Call, cost: Decimal | int, answer: str = "{}") -> Call:
    return call.model_copy(update={"cost_micro": Decimal(cost), "cost_source": "set", "answer": answer})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    (tmp_path / "a-book").mkdir()
    return Ledger(tmp_path / "a-book", "correction")


def pay(ledger: Ledger, page: int = 7, cost: Decimal | int = 120, question: str = QUESTION) -> Call:
    call = a_call(page, question)
    ledger.ask(call)
    paid = answered(call, cost)
    ledger.answer(paid)
    return paid


def test_nothing_is_there_before_the_first_call(ledger: Ledger) -> None:
    assert list(ledger.all()) == []
    assert ledger.spent(7) == micro(0)
    assert ledger.usable(7, QUESTION) is None
    assert ledger_stages(ledger.path.parent.parent) == []


def test_a_call_without_an_answer_is_open_at_the_most_that_it_may_cost(ledger: Ledger) -> None:
    call = a_call(most=900)
    ledger.ask(call)
    sums = ledger.sums()
    assert (sums.spent, sums.open) == ({}, {call.attempt: micro(900)})
    assert [each.attempt for each in ledger.calls(State.ASKED)] == [call.attempt]


def test_an_answer_counts_what_it_cost_and_is_found_again(ledger: Ledger) -> None:
    call = pay(ledger, cost=120)
    assert ledger.usable(7, QUESTION) == call
    assert ledger.usable(7, ANOTHER) is None
    assert ledger.usable(8, QUESTION) is None
    assert (ledger.sums().spent, ledger.sums().open) == ({7: micro(120)}, {})


def test_a_rejected_answer_is_not_used_again_and_stays_paid_for(ledger: Ledger) -> None:
    ledger.reject(pay(ledger, cost=120))
    assert ledger.usable(7, QUESTION) is None
    assert ledger.spent(7) == micro(120)
    assert ledger.answers(7) == 1


def test_a_page_that_is_done_again_is_asked_about_again_and_stays_paid_for(ledger: Ledger) -> None:
    pay(ledger, cost=120)
    ledger.retire([6, 7, 8])
    ledger.retire([7])
    assert ledger.usable(7, QUESTION) is None
    assert ledger.spent(7) == micro(120)


def test_a_call_that_was_refused_leaves_nothing(ledger: Ledger) -> None:
    call = a_call()
    ledger.ask(call)
    ledger.withdraw(call)
    ledger.withdraw(call)
    assert list(ledger.all()) == []


def test_a_death_between_the_answer_and_the_end_of_the_question_counts_once(ledger: Ledger) -> None:
    call = a_call(most=900)
    ledger.ask(call)
    asked = next(ledger.path.rglob("*.asked.*"))
    kept = asked.read_bytes()
    ledger.answer(answered(call, 120))
    asked.write_bytes(kept)
    assert (ledger.sums().spent, ledger.sums().open) == ({7: micro(120)}, {})


def test_all_calls_of_a_page_add_up(ledger: Ledger) -> None:
    ledger.reject(pay(ledger, cost=100))
    pay(ledger, cost=20)
    pay(ledger, page=8, cost=3)
    assert ledger.sums().spent == {7: micro(120), 8: micro(3)}
    assert ledger.sums().total == micro(123)


def test_a_damaged_file_loses_its_words_and_no_money(ledger: Ledger) -> None:
    pay(ledger, cost=120)
    next(ledger.path.rglob("*.answered.*")).write_bytes(b"\x00garbage")
    assert ledger.usable(7, QUESTION) is None
    assert ledger.spent(7) == micro(120)


def test_what_is_no_call_is_passed_over(ledger: Ledger) -> None:
    pay(ledger, cost=120)
    folder = next(ledger.path.iterdir())
    attempt = new_attempt()
    for name in ("notes.txt", "x.answered.5.json", f"{attempt}.lost.5.json", f"{attempt}.answered.-5.json"):
        (folder / name).write_text("{}")
    (ledger.path / "page_one").mkdir()
    assert ledger.sums().total == micro(120)


def test_an_answer_without_a_cost_is_a_mistake(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="cost"):
        ledger.answer(a_call())


def test_a_planned_call_is_not_among_those_that_may_have_been_billed(ledger: Ledger) -> None:
    ledger.plan(a_call())
    assert (ledger.lines(7), ledger.sums().open, ledger.spent(7)) == ([], {}, Money())


def test_a_planned_call_that_is_sent_is_open(ledger: Ledger) -> None:
    call = a_call(most=900)
    ledger.plan(call)
    assert ledger.mark_asked(call)
    assert ledger.sums().open == {call.attempt: micro(900)}
    assert ledger.take_back_planned(7) == []


def test_a_planned_call_that_was_taken_back_cannot_be_sent(ledger: Ledger) -> None:
    call = a_call()
    ledger.plan(call)
    assert ledger.take_back_planned(7) == [call.attempt]
    assert not ledger.mark_asked(call)
    assert list(ledger.all()) == []


def test_sums_take_back_planned_calls_and_count_one_that_was_sent_just_then(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick, slow = a_call(most=900), a_call(page=8)
    ledger.plan(quick)
    ledger.plan(slow)
    take_back = ledger.take_back_planned

    def too_late(page: int) -> list[str]:
        if page == quick.page:
            ledger.mark_asked(quick)
        return take_back(page)

    monkeypatch.setattr(ledger, "take_back_planned", too_late)
    assert ledger.sums(take_back_planned=True).open == {quick.attempt: micro(900)}
    assert not ledger.mark_asked(slow)


def test_many_calls_that_cost_less_than_a_micro_dollar_add_up(ledger: Ledger) -> None:
    for page in range(1, 26):
        pay(ledger, page=page, cost=Decimal("0.4"))
    assert ledger.sums().total == micro(10)
    assert ledger.spent(7) == micro(Decimal("0.4"))
    paid = ledger.usable(7, QUESTION)
    assert paid is not None
    assert paid.cost_micro == Decimal("0.4")
    ledger.reject(paid)
    ledger.retire([8])
    assert ledger.sums().total == micro(10)


def test_whole_amounts_are_written_as_older_versions_read_them(ledger: Ledger) -> None:
    call = pay(ledger, cost=120)
    (path,) = ledger.path.rglob("*.json")
    assert path.name == f"{call.attempt}.answered.120.json"
    assert json.loads(path.read_text())["cost_micro"] == 120


@pytest.mark.parametrize("cost", ["0.4", "143.25", "0.000000000001", "999999999999999.5"])
def test_a_cost_keeps_its_decimals_in_name_and_words(ledger: Ledger, cost: str) -> None:
    pay(ledger, cost=Decimal(cost))
    (path,) = ledger.path.rglob("*.json")
    assert path.name.endswith(f".answered.{cost}.json")
    assert json.loads(path.read_text())["cost_micro"] == cost
    assert ledger.spent(7) == micro(Decimal(cost))

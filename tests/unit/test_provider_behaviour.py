import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample.provider import Behaviour, BillRow, Trouble
from sample.provider.behaviour import USUAL_KINDS
from sample.provider.bill import Bill
from sample.provider.tokens import Usage, count_tokens, longest_answer, usage_of

HASHES = [f"{number:064x}" for number in range(2000)]


def row(call_id: str, usd: str = "0.000100", page: int = 1) -> BillRow:
    return BillRow(
        id=call_id,
        request_sha256=HASHES[page],
        page=page,
        stage="fix",
        billed_usd=Decimal(usd),
        trouble=None,
        usage_reported=True,
    )


def test_which_call_misbehaves_follows_from_seed_request_and_occurrence_alone() -> None:
    first = [Behaviour(trouble=0.3, seed=1).trouble_of(each, 1) for each in HASHES]
    assert first == [Behaviour(trouble=0.3, seed=1).trouble_of(each, 1) for each in HASHES]
    assert first != [Behaviour(trouble=0.3, seed=2).trouble_of(each, 1) for each in HASHES]
    assert first != [Behaviour(trouble=0.3, seed=1).trouble_of(each, 2) for each in HASHES]


def test_the_share_of_calls_that_misbehave_is_about_what_was_asked_and_every_kind_occurs() -> None:
    drawn = [Behaviour(trouble=0.3).trouble_of(each, 1) for each in HASHES]
    assert 0.25 < sum(trouble is not None for trouble in drawn) / len(drawn) < 0.35
    assert set(drawn) == {None, *USUAL_KINDS}


def test_none_or_all_misbehave_at_the_ends_of_the_scale() -> None:
    assert {Behaviour(trouble=0).trouble_of(each, 1) for each in HASHES} == {None}
    only = Behaviour(trouble=1, kinds=(Trouble.PROSE,))
    assert {only.trouble_of(each, 1) for each in HASHES} == {Trouble.PROSE}


def test_a_rate_limited_caller_waits_no_or_one_second() -> None:
    assert {Behaviour().retry_after_seconds(each, 1) for each in HASHES} == {0, 1}


@pytest.mark.parametrize(
    "wrong",
    [{"trouble": 1.5}, {"trouble": -0.1}, {"kinds": ()}, {"latency_seconds": -1.0}, {"price_in": Decimal(-1)}],
)
def test_a_behaviour_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"share|seconds|kind"):
        Behaviour(**wrong)  # type: ignore[arg-type]


def test_tokens_are_four_bytes_each_and_the_parts_of_a_call_add_up() -> None:
    assert [count_tokens(text) for text in ("", "a", "abcd", "abcde", "ä" * 4)] == [0, 1, 1, 2, 2]
    usage = usage_of(instructions="x" * 1000, rest="y" * 400, pictures=2, answer="z" * 320)
    assert usage == Usage(tokens_in=250 + 100 + 2 * 765, tokens_cached=128, tokens_out=80 + 10, tokens_reasoning=10)


def test_a_price_is_not_rounded() -> None:
    behaviour = Behaviour(price_in=Decimal("0.15"), price_out=Decimal("0.60"))
    usage = Usage(tokens_in=1001, tokens_cached=0, tokens_out=333, tokens_reasoning=0)
    assert usage.price(behaviour) == Decimal("0.00034995")


@given(most_tokens=st.integers(1, 10_000), length=st.integers(0, 60_000))
def test_an_answer_cut_to_the_most_tokens_takes_no_more_than_those(most_tokens: int, length: int) -> None:
    answer = ("x" * length)[: longest_answer(most_tokens)]
    assert usage_of("", "", 0, answer).tokens_out <= most_tokens


def test_a_bill_counts_requests_and_adds_up_exactly() -> None:
    bill = Bill()
    assert [bill.arrive(HASHES[number]) for number in (1, 2, 1)] == [
        ("chatcmpl-000000001", 1),
        ("chatcmpl-000000002", 1),
        ("chatcmpl-000000003", 2),
    ]
    for number, usd in enumerate(("0.100000", "0.200000", "0.000000"), start=1):
        bill.enter(row(f"chatcmpl-{number:09}", usd))
    statement = bill.statement()
    assert (statement.calls, statement.billed_calls, statement.total_usd) == (3, 2, Decimal("0.300000"))
    assert json.loads(statement.model_dump_json())["total_usd"] == "0.300000"


def test_a_bill_in_a_file_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    bill = Bill(path)
    call_id, _ = bill.arrive(HASHES[1])
    bill.enter(row(call_id))
    bill.mark(call_id, answer_sent=True)
    again = Bill(path)
    assert again.statement() == bill.statement()
    assert again.statement().rows[0].answer_sent
    assert again.arrive(HASHES[1]) == ("chatcmpl-000000002", 2)
    bill.close()
    again.close()


def test_a_row_that_was_cut_off_by_a_kill_is_left_out_and_the_next_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    path.write_text(row("chatcmpl-000000001").model_dump_json() + '\n{"id": "chatcmpl-00')
    for _ in range(2):
        bill = Bill(path)
        bill.enter(row("chatcmpl-000000002"))
        bill.close()
    assert [each.id for each in bill.statement().rows] == ["chatcmpl-000000001", "chatcmpl-000000002"]


def test_a_file_that_is_no_bill_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("milk\n")
    with pytest.raises(ValueError, match=r"notes\.txt is no bill"):
        Bill(path)

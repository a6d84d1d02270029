"""One question to a model: paid for once, on record before it is used, and never beyond the budget."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis
from redis.exceptions import ConnectionError as RedisConnectionError

import tests.support.fake_info  # noqa: F401  # a meter asks which server it is on
from checkpointing.cost_overruns import read_overruns
from checkpointing.ledger import Ledger
from checkpointing.ledger_entry import Call, State
from checkpointing.money import Money
from sample.provider import Behaviour, Provider, Trouble, running_provider
from tests.support.calls import Corrected
from worker.billing import budget_reservation, learned_costs, paid_calls, settlement
from worker.billing.learned_costs import Learned, LearnedCosts
from worker.billing.meter import Meter, Reading, Reserved
from worker.billing.meter_refill import refill
from worker.billing.model_endpoint import ModelEndpoint, Waiting
from worker.billing.paid_calls import PaidCalls
from worker.billing.seen_answers import SeenAnswers
from worker.billing.stage_account import PageQuestion, StageAccount
from worker.llm.backoff import Backoff
from worker.llm.circuit_breaker import CALLS_IN_A_ROW, Breaker
from worker.llm.client import ModelClient
from worker.llm.errors import (
    AnswerRefusedError,
    BudgetReachedError,
    CallFailedError,
    ClaimLostError,
    PriceWrongError,
    ProviderError,
    ProviderRefusesError,
)
from worker.llm.local_servers import CallSlots
from worker.llm.prices import Price, PriceBook
from worker.llm.prompt import Prompt
from worker.llm.rate_limits import RateLimits
from worker.llm.raw_answer import RawAnswer
from worker.llm.reply import CostSource, Reply, Usage
from worker.telemetry.metrics.events import Metrics, use

MODEL = "a-model"
SCAN = "a-book"


def question(page: int = 7, text: str = "Alice was beginning to get very tired") -> Prompt[Corrected]:
    user = {"page": page, "before": "", "after": "", "regions": [{"id": "r1", "type": "body", "text": text}]}
    return Prompt(system="Correct this.", user=json.dumps(user), answer=Corrected, most_tokens=400)


def text_of(reply: Reply[Corrected]) -> str:
    return reply.answer.regions[0].text


def ask_all(office: "PaidCallSetup") -> None:
    for page in range(1, 100):
        office.calls.ask(page, question(page), text_of)


def sent_elsewhere(office: "PaidCallSetup") -> Call:
    """A call of another worker that is under way."""
    office.refill()
    account = office.account()
    prompt = question(1)
    asked = PageQuestion(1, prompt, "0" * 64, account.estimate(prompt), lambda: True)
    call = budget_reservation.plan(account, asked)
    budget_reservation.ask_meter(account, call, None)
    assert office.ledger.mark_asked(call)
    return call


def refuse(_reply: Reply[Corrected]) -> str:
    raise AnswerRefusedError("loop", "it goes round and round")


class PaidCallSetup:
    """A scan's books, and whoever asks on its behalf."""

    def __init__(self, root: Path, url: str, scan: str = SCAN, redis: FakeRedis | None = None) -> None:
        self.scan_dir = root / scan
        self.scan_dir.mkdir(exist_ok=True)
        self.redis = redis or FakeRedis()
        self.ledger = Ledger(self.scan_dir, "correction")
        self.meter = Meter(self.redis, f"meter:{scan}")
        self.budget: Decimal | None = None
        self.budgets: list[Decimal] = []
        """Those that are in force before that, each for one look."""
        client = ModelClient(url, "a-key", 10.0)
        self.endpoint = ModelEndpoint(
            client=client,
            provider="127.0.0.1",
            model=MODEL,
            prices=PriceBook({MODEL: Price(Decimal("0.15"), Decimal("0.60"))}, url),
            limits=RateLimits(self.redis, "rates", None, None),
            backoff=Backoff(max_retries=2, base_seconds=0.01, max_seconds=0.02),
            learned=LearnedCosts(self.redis, "learned_costs"),
            seen=SeenAnswers(self.redis, "answers:"),
            breaker=Breaker(self.redis, "breaker", 10.0, first_pause_seconds=60.0),
            waiting=Waiting(turn_seconds=0.2, poll_seconds=0.01),
        )
        self.calls = self.somebody()

    def somebody(self) -> PaidCalls:
        """As another process has it."""
        return PaidCalls(self.account())

    def account(self) -> StageAccount:
        """Return where the calls of the stage are booked."""
        return StageAccount(
            SCAN,
            "correction",
            self.endpoint,
            self.ledger,
            self.meter,
            self.refill,
            lambda: self.budgets.pop(0) if self.budgets else self.budget,
        )

    def other_stage(self, stage: str, model: str, price: Price) -> PaidCalls:
        """Return the calls of another stage of the same scan, which asks another model."""
        account = StageAccount(
            SCAN,
            stage,
            replace(self.endpoint, model=model, prices=PriceBook({model: price}, "")),
            Ledger(self.scan_dir, stage),
            self.meter,
            self.refill,
            lambda: self.budget,
        )
        return PaidCalls(account)

    def reprice(self, price: Price | None) -> None:
        """Let the workers know another price of the model, or none."""
        prices = {} if price is None else {MODEL: price}
        self.endpoint = replace(self.endpoint, prices=PriceBook(prices, ""))

    def refill(self) -> bool:
        return refill(self.scan_dir, self.meter, self.endpoint.learned)

    def reserved(self) -> Money:
        """Return what is reserved."""
        reading = self.meter.read()
        assert reading is not None
        return reading.reserved

    def states(self) -> list[State]:
        return sorted(line.state for line in self.ledger.all())


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., tuple[PaidCallSetup, Provider]]]:
    opened: list[PaidCallSetup] = []
    running = []

    def made(**behaviour: object) -> tuple[PaidCallSetup, Provider]:
        context = running_provider(Behaviour(**behaviour))  # type: ignore[arg-type]
        provider = context.__enter__()
        running.append(context)
        opened.append(PaidCallSetup(tmp_path, provider.base_url))
        return opened[-1], provider

    yield made
    for office in opened:
        office.endpoint.client.close()
        office.redis.close()
    for context in running:
        context.__exit__(None, None, None)


Make = Callable[..., tuple[PaidCallSetup, Provider]]


def test_an_answer_is_used_and_costs_what_the_provider_bills(make: Make) -> None:
    office, provider = make()
    assert office.calls.ask(7, question(), text_of).startswith("Alice was beginning")
    assert office.ledger.spent(7) == Money.from_usd(provider.bill().total_usd)
    assert office.meter.read() == Reading(office.ledger.spent(7), Money())
    assert office.states() == [State.ANSWERED]


def test_the_answer_says_how_it_came_about(make: Make) -> None:
    office, provider = make(report_cost=True)
    llm = office.calls.ask(7, question(), lambda reply: reply.llm)
    assert (llm.model, llm.provider, llm.attempts, llm.cost_source) == (MODEL, "127.0.0.1", 1, CostSource.PROVIDER)
    assert llm.cost_usd == float(provider.bill().total_usd)
    assert llm.usage.tokens_in > 0


def test_the_same_question_is_paid_for_once(make: Make) -> None:
    office, provider = make()
    first = office.calls.ask(7, question(), text_of)
    assert office.somebody().ask(7, question(), text_of) == first
    assert provider.calls == 1


def test_another_question_or_page_is_another_call(make: Make) -> None:
    office, provider = make()
    office.calls.ask(7, question(), text_of)
    office.calls.ask(7, question(text="Down the Rabbit-Hole"), text_of)
    office.calls.ask(8, question(8), text_of)
    assert provider.calls == 3


def test_an_answer_that_was_refused_is_paid_for_and_asked_for_again(make: Make) -> None:
    office, provider = make()
    with pytest.raises(AnswerRefusedError):
        office.calls.ask(7, question(), refuse)
    assert office.states() == [State.REJECTED]
    office.calls.ask(7, question(), text_of)
    assert provider.calls == 2
    assert office.ledger.spent(7) == Money.from_usd(provider.bill().total_usd)


def test_an_answer_that_is_no_answer_is_paid_for_and_refused(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.WRONG_SCHEMA,))
    with pytest.raises(AnswerRefusedError) as refused:
        office.calls.ask(7, question(), text_of)
    assert refused.value.kind == "schema"
    assert office.states() == [State.REJECTED]
    assert office.ledger.spent(7) == Money.from_usd(provider.bill().total_usd)


def test_a_server_that_fails_is_asked_again_and_leaves_no_trace(make: Make) -> None:
    office, provider = make(trouble=0.5, kinds=(Trouble.SERVER_ERROR,), seed=4)
    for page in range(1, 9):
        try:
            office.calls.ask(page, question(page), text_of)
        except CallFailedError:
            continue
    assert provider.calls > len(office.states())
    assert set(office.states()) == {State.ANSWERED}
    assert office.ledger.sums().total == Money.from_usd(provider.bill().total_usd)


def test_calls_that_a_gateway_bills_and_answers_504_to_are_bounded_by_the_budget_and_stay_open(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.GATEWAY_TIMEOUT,))
    office.budget = Decimal("0.003")
    office.endpoint = replace(
        office.endpoint, breaker=Breaker(office.redis, "breaker", 10.0, first_pause_seconds=0.001)
    )
    why = ""
    for page in range(1, 100):
        try:
            office.somebody().ask(page, question(page), text_of)
        except BudgetReachedError as reached:
            why = str(reached)
            break
        except ProviderError:
            continue
    assert "504 Gateway Time-out" in why
    assert "reserved" in why
    calls = provider.calls
    assert calls < 10
    assert provider.bill().total_usd <= office.budget
    assert office.states() == [State.ASKED] * calls
    assert office.reserved() >= Money.from_usd(provider.bill().total_usd)
    assert office.reserved() <= Money.from_usd(office.budget)


def test_a_provider_that_does_not_answer_is_left_alone_by_all_workers(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.GATEWAY_TIMEOUT,))
    for page in range(1, 20):
        with pytest.raises(ProviderError):
            office.somebody().ask(page, question(page), text_of)
    assert provider.calls == CALLS_IN_A_ROW
    with pytest.raises(
        ProviderError, match=r"a-model is not called for another \d+ s; 5 calls in a row got no answer: .*504"
    ):
        office.somebody().ask(20, question(20), text_of)


def test_a_flush_forgets_that_a_provider_does_not_answer_for_a_handful_of_calls(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.GATEWAY_TIMEOUT,))
    for page in range(1, 20):
        if page == 10:
            office.redis.flushall()
        with pytest.raises(ProviderError):
            office.somebody().ask(page, question(page), text_of)
    assert provider.calls == 2 * CALLS_IN_A_ROW


def test_a_web_page_in_place_of_answers_costs_nothing_and_in_the_end_asks_for_a_person(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.WEB_PAGE,))
    office.endpoint = replace(
        office.endpoint, breaker=Breaker(office.redis, "breaker", 10.0, first_pause_seconds=0.001)
    )
    for page in range(1, 100):
        try:
            office.somebody().ask(page, question(page), text_of)
        except ProviderRefusesError as refused:
            why = str(refused)
            break
        except ProviderError:
            continue
    assert "an HTML page instead of an answer: Sign in" in why
    assert "LEAFMARK_LLM_BASE_URL" in why
    assert provider.calls <= 12
    assert office.ledger.sums().total == Money()


def test_an_error_that_tells_what_it_took_is_booked_at_that_and_is_no_fault_of_the_page(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.EMPTY_ERROR,))
    with pytest.raises(ProviderError, match="billed a call and gave no answer: the model broke off"):
        office.calls.ask(7, question(), text_of)
    assert provider.calls == 3
    assert office.states() == [State.REJECTED] * 3
    assert office.ledger.spent(7) == Money.from_usd(provider.bill().total_usd)
    assert office.reserved() == Money()


def test_a_page_whose_answers_never_come_while_others_do_loses_an_attempt(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.GATEWAY_TIMEOUT,))
    # Between any two calls for it another page is answered.
    office.endpoint.waiting.sleep = lambda _: office.endpoint.breaker.answered()
    with pytest.raises(
        AnswerRefusedError, match="3 calls for page 7 got no answer, but other pages did"
    ) as refused:
        office.somebody().ask(7, question(), text_of)
    assert refused.value.kind == "no_answer"
    assert provider.calls == 3


def test_a_broker_that_fails_after_an_answer_loses_no_answer(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    office, provider = make()
    monkeypatch.setattr(office.endpoint.breaker, "answered", _fail)
    assert office.calls.ask(7, question(), text_of)
    assert provider.calls == 1
    assert office.states() == [State.ANSWERED]


def test_a_breaker_that_cannot_be_asked_lets_nothing_be_spent(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    office, provider = make()
    monkeypatch.setattr(office.endpoint.breaker, "enter", _fail)
    with pytest.raises(RedisConnectionError):
        office.calls.ask(7, question(), text_of)
    assert provider.calls == 0
    assert office.states() == []
    assert office.reserved() == Money()


def test_a_page_waits_for_its_turn_at_a_server_that_takes_few_calls_at_once(make: Make) -> None:
    office, provider = make()
    office.endpoint.waiting.slot_seconds = 0.01
    office.endpoint = replace(office.endpoint, slots=CallSlots(is_bounded=True))
    with (
        office.endpoint.slots.taken(1),
        office.endpoint.slots.taken(1),
        pytest.raises(ProviderError, match="is busy with calls for other pages"),
    ):
        office.somebody().ask(7, question(), text_of)
    assert provider.calls == 0
    assert office.somebody().ask(7, question(), text_of)


def test_a_provider_that_wants_to_be_left_alone_is(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.RATE_LIMITED,))
    for page in range(1, 99):
        # Until it asks for a whole second: that is longer than a call of this test waits.
        if office.endpoint.cooldown.left_seconds() > 0:
            break
        with pytest.raises(CallFailedError):
            office.calls.ask(page, question(page), text_of)
    calls = provider.calls
    with pytest.raises(ProviderError, match="asked for no call"):
        office.calls.ask(1000, question(1000), text_of)
    assert provider.calls == calls
    assert office.states() == []


def test_a_call_whose_answer_never_came_stays_on_the_books(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.DROPPED,))
    with pytest.raises(ProviderError):
        office.calls.ask(7, question(), text_of)
    assert provider.calls == 3
    assert office.states() == [State.ASKED] * 3
    reading = office.meter.read()
    assert reading is not None
    assert reading.spent == Money()
    assert reading.reserved >= Money.from_usd(provider.bill().total_usd)


def test_an_answer_that_tells_no_tokens_counts_as_the_most_it_may_cost(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.NO_USAGE,))
    llm = office.calls.ask(7, question(), lambda reply: reply.llm)
    assert llm.cost_source is CostSource.ESTIMATED
    assert office.ledger.spent(7) >= Money.from_usd(provider.bill().total_usd)


def test_nothing_is_asked_beyond_the_budget(make: Make) -> None:
    office, provider = make()
    office.budget = Decimal("0.001")
    with pytest.raises(BudgetReachedError, match=r"--budget") as reached:
        ask_all(office)
    assert reached.value.budget_usd == office.budget
    assert 0 < provider.bill().total_usd <= Decimal("0.001")
    assert State.ASKED not in office.states()
    office.budget = Decimal("0.01")
    office.calls.ask(50, question(50), text_of)


def test_a_budget_that_is_enlarged_while_a_call_waits_for_room_lets_it_be_made(make: Make) -> None:
    office, provider = make()
    elsewhere = sent_elsewhere(office)
    small = elsewhere.most.exact_usd * 3 / 2
    office.budgets = [small, small, small]
    office.budget = 2 * small
    office.calls.ask(7, question(), text_of)
    assert provider.calls == 1


def test_a_budget_that_is_enlarged_at_the_last_moment_lets_the_call_be_made(make: Make) -> None:
    office, provider = make()
    office.budgets = [Decimal("0.000001"), Decimal("0.000001")]
    office.budget = Decimal("0.01")
    office.calls.ask(7, question(), text_of)
    assert provider.calls == 1


def test_a_flushed_meter_is_filled_from_the_ledger_before_the_next_call(make: Make) -> None:
    office, provider = make()
    office.calls.ask(1, question(1), text_of)
    office.redis.flushall()
    office.budget = provider.bill().total_usd
    with pytest.raises(BudgetReachedError):
        office.calls.ask(2, question(2), text_of)
    assert provider.calls == 1


def test_a_meter_that_cannot_be_read_lets_nothing_be_spent(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    office, provider = make()
    monkeypatch.setattr(office.meter, "reserve", _fail)
    with pytest.raises(RedisConnectionError):
        office.calls.ask(1, question(1), text_of)
    assert provider.calls == 0
    assert office.states() == []


def _fail(*_: object, **__: object) -> None:
    raise RedisConnectionError("the broker is away")


def test_a_worker_that_died_after_its_answer_has_the_next_one_use_it(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def die(*_: object) -> None:
        raise KilledError

    office, provider = make()
    settle = office.meter.settle
    monkeypatch.setattr(office.meter, "settle", die)
    with pytest.raises(KilledError):
        office.calls.ask(7, question(), text_of)
    monkeypatch.setattr(office.meter, "settle", settle)
    assert office.somebody().ask(7, question(), text_of)
    assert provider.calls == 1
    assert office.meter.read() == Reading(office.ledger.spent(7), Money())


def test_an_answer_waits_for_a_disk_that_is_full(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    office, provider = make()
    monkeypatch.setattr(settlement, "_STORAGE_PAUSES_SECONDS", (0.01, 0.01))
    answer, failures = office.ledger.answer, iter([OSError(28, "full"), OSError(28, "full")])

    def full_at_first(call: object) -> None:
        if (failure := next(failures, None)) is not None:
            raise failure
        answer(call)  # type: ignore[arg-type]

    monkeypatch.setattr(office.ledger, "answer", full_at_first)
    assert office.calls.ask(7, question(), text_of)
    assert provider.calls == 1


class _Till(Metrics):
    def __init__(self) -> None:
        self.total = Money()

    def spent(self, stage: str, cost: Money) -> None:
        assert stage == "correction"
        self.total += cost


def test_what_is_spent_is_told_once_also_for_answers_that_are_no_use(
    make: Callable[..., tuple[PaidCallSetup, Provider]],
) -> None:
    office, _ = make()
    till = _Till()
    use(till)
    try:
        office.calls.ask(7, question(), text_of)
        office.somebody().ask(7, question(), text_of)
        with pytest.raises(AnswerRefusedError):
            office.calls.ask(8, question(8), refuse)
    finally:
        use(Metrics())
    assert office.states() == [State.ANSWERED, State.REJECTED]
    assert till.total == office.ledger.sums().total > Money()


def answered_by_another_worker(office: PaidCallSetup, page: int = 7) -> None:
    """Let another worker take up a page and pay for it."""
    office.somebody().ask(page, question(page), text_of)


def test_a_call_that_waited_for_room_is_not_made_for_a_page_that_was_paid_for_meanwhile(make: Make) -> None:
    office, provider = make()
    elsewhere = sent_elsewhere(office)
    office.budget = elsewhere.most.exact_usd * 3 / 2

    def paused(_seconds: float) -> None:
        office.endpoint.waiting.sleep = lambda _seconds: None
        office.budget = Decimal(1)
        answered_by_another_worker(office)

    office.endpoint.waiting.sleep = paused
    assert office.calls.ask(7, question(), text_of).startswith("Alice")
    assert provider.calls == 1
    assert office.reserved() == elsewhere.most


def test_a_call_that_was_granted_is_not_made_for_a_page_that_was_paid_for_meanwhile(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, provider = make()
    reserve = office.meter.reserve

    def reserve_then_pause(*arguments: Any) -> Reserved:
        granted = reserve(*arguments)
        monkeypatch.setattr(office.meter, "reserve", reserve)
        answered_by_another_worker(office)
        return granted

    monkeypatch.setattr(office.meter, "reserve", reserve_then_pause)
    assert office.calls.ask(7, question(), text_of).startswith("Alice")
    assert provider.calls == 1
    assert office.reserved() == Money()
    assert office.states() == [State.ANSWERED]


def test_a_call_whose_note_waited_for_storage_is_not_made_for_a_page_that_was_paid_for_meanwhile(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, provider = make()
    monkeypatch.setattr(paid_calls, "_FRESH_SECONDS", 0.0)
    mark_asked = office.ledger.mark_asked

    def mark_slowly(call: Call) -> bool:
        marked = mark_asked(call)
        monkeypatch.setattr(office.ledger, "mark_asked", mark_asked)
        answered_by_another_worker(office)
        return marked

    monkeypatch.setattr(office.ledger, "mark_asked", mark_slowly)
    assert office.calls.ask(7, question(), text_of).startswith("Alice")
    assert provider.calls == 1
    assert office.reserved() == Money()
    assert office.states() == [State.ANSWERED]


def test_a_call_whose_note_waited_for_storage_is_not_made_once_its_claim_is_lost(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, provider = make()
    monkeypatch.setattr(paid_calls, "_FRESH_SECONDS", 0.0)
    ours = iter([True, True, False])
    office.refill()
    with pytest.raises(ClaimLostError):
        office.calls.ask(7, question(), text_of, lambda: next(ours))
    assert provider.calls == 0
    assert (office.reserved(), office.states()) == (Money(), [])


def test_a_call_whose_claim_was_lost_while_it_waited_is_not_made(make: Make) -> None:
    office, provider = make()
    ours = iter([True, False])
    with pytest.raises(ClaimLostError):
        office.calls.ask(7, question(), text_of, lambda: next(ours))
    assert provider.calls == 0
    assert office.reserved() == Money()
    assert office.states() == []


def test_a_call_whose_claim_cannot_be_looked_at_is_not_made(make: Make) -> None:
    office, provider = make()
    answers = iter([True])

    def still_ours() -> bool:
        if next(answers, None) is None:
            raise RedisConnectionError("the broker is away")
        return True

    with pytest.raises(RedisConnectionError):
        office.calls.ask(7, question(), text_of, still_ours)
    assert provider.calls == 0
    assert office.states() == []


def test_a_stage_is_not_paused_for_a_page_that_was_paid_for_while_it_waited(make: Make) -> None:
    office, provider = make()
    budget = sent_elsewhere(office).most.exact_usd * 3 / 2

    def paused(_seconds: float) -> None:
        office.budget = Decimal(1)
        office.endpoint.waiting.sleep = lambda _seconds: None
        answered_by_another_worker(office)
        office.budget = budget
        office.endpoint.waiting.turn_seconds = 0.0

    office.budget = budget
    office.endpoint.waiting.sleep = paused
    assert office.calls.ask(7, question(), text_of).startswith("Alice")
    assert provider.calls == 1


def test_a_call_that_failed_is_not_made_again_once_its_claim_is_lost(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.SERVER_ERROR,))
    with pytest.raises(ClaimLostError):
        office.calls.ask(7, question(), text_of, lambda: provider.calls == 0)
    assert provider.calls == 1


class KilledError(BaseException):
    """A worker that dies at once."""


def kill(*_: object, **__: object) -> None:
    raise KilledError


@pytest.mark.parametrize("step", ["reserve", "send"])
def test_a_worker_killed_before_its_call_was_sent_leaves_nothing_that_blocks_the_budget(
    make: Make, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    office, provider = make()
    office.budget = most_of_one_call(office).exact_usd * 3 / 2
    with monkeypatch.context() as patched:
        if step == "reserve":
            patched.setattr(office.meter, "reserve", kill)
        else:
            patched.setattr(office.ledger, "mark_asked", kill)
        with pytest.raises(KilledError):
            office.calls.ask(1, question(1), text_of)
    assert [*office.ledger.all()] == [], "a call that was not sent is not counted as one that may have been billed"
    office.somebody().ask(2, question(2), text_of)
    assert provider.calls == 1
    assert office.reserved() == Money()


def test_a_worker_killed_while_it_loads_what_its_first_call_needs_has_noted_none(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, _ = make()
    monkeypatch.setattr(office.endpoint.client, "prepare", kill)
    with pytest.raises(KilledError):
        office.calls.ask(7, question(), text_of)
    assert [*office.ledger.path.rglob("*.json")] == []


def test_the_next_worker_of_a_page_takes_back_the_call_that_the_last_one_did_not_send(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, _ = make()
    with monkeypatch.context() as patched:
        patched.setattr(office.ledger, "mark_asked", kill)
        with pytest.raises(KilledError):
            office.calls.ask(7, question(), text_of)
    assert office.reserved() > Money()
    office.somebody().ask(7, question(), text_of)
    assert office.reserved() == Money()
    assert [*office.ledger.path.rglob("*.planned.*")] == []


def test_a_call_whose_plan_was_taken_back_while_its_worker_was_paused_is_planned_anew(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recount takes back what is not sent: the paused worker's reservation is gone from the meter, too."""
    office, provider = make()
    mark_asked = office.ledger.mark_asked

    def pause_then_mark(call: Call) -> bool:
        monkeypatch.setattr(office.ledger, "mark_asked", mark_asked)
        office.meter.empty()
        office.refill()
        return mark_asked(call)

    monkeypatch.setattr(office.ledger, "mark_asked", pause_then_mark)
    assert office.calls.ask(7, question(), text_of)
    assert provider.calls == 1
    assert office.meter.read() == Reading(office.ledger.spent(7), Money())


def test_a_call_that_was_sent_and_never_answered_stays_reserved_after_a_recount(make: Make) -> None:
    office, _ = make(trouble=1.0, kinds=(Trouble.DROPPED,))
    with pytest.raises(ProviderError):
        office.calls.ask(7, question(), text_of)
    before = office.reserved()
    office.meter.empty()
    office.refill()
    assert office.reserved() == before > Money()


def most_of_one_call(office: PaidCallSetup) -> Money:
    """The most that a call may cost."""
    return office.account().estimate(question(99)).most


DEAR = {"report_cost": True, "price_in": Decimal(50), "price_out": Decimal(200)}
"""A provider that charges far more than the price that is set."""


def test_a_call_dearer_than_its_reservation_pauses_the_stage_and_keeps_the_answer(make: Make) -> None:
    office, provider = make(**DEAR)
    office.budget = Decimal("0.06")
    with pytest.raises(PriceWrongError, match=r"LEAFMARK_PRICES='a-model=IN/OUT'") as surprised:
        office.calls.ask(7, question(), text_of)
    assert "$0.15 in, $0.60 out a million tokens, set by LEAFMARK_PRICES" in str(surprised.value)
    assert "of the budget of $0.06" in str(surprised.value)
    assert office.states() == [State.ANSWERED]
    assert office.meter.read() == Reading(Money.from_usd(provider.bill().total_usd), Money())
    assert office.somebody().ask(7, question(), text_of).startswith("Alice"), "the answer is used, and paid once"
    assert provider.calls == 1


def test_after_a_dear_call_every_worker_reserves_what_calls_really_cost(make: Make) -> None:
    office, provider = make(**DEAR)
    with pytest.raises(PriceWrongError):
        office.calls.ask(1, question(1), text_of)
    cost = Money.from_usd(provider.bill().total_usd)
    office.budget = provider.bill().total_usd + cost.exact_usd - Money.from_micro(1).exact_usd
    with pytest.raises(BudgetReachedError):
        office.somebody().ask(2, question(2), text_of)
    office.budget = provider.bill().total_usd + 3 * cost.exact_usd
    office.somebody().ask(2, question(2), text_of)
    assert provider.calls == 2
    assert provider.bill().total_usd <= office.budget


def test_a_call_that_was_in_flight_at_the_first_surprise_is_used_without_another_pause(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, provider = make(**DEAR)
    send = office.endpoint.client.send

    def send_while_another_is_surprised(*arguments: Any) -> RawAnswer:
        monkeypatch.setattr(office.endpoint.client, "send", send)
        with pytest.raises(PriceWrongError):
            office.somebody().ask(8, question(8), text_of)
        return send(*arguments)

    monkeypatch.setattr(office.endpoint.client, "send", send_while_another_is_surprised)
    assert office.calls.ask(7, question(), text_of).startswith("Alice")
    assert provider.calls == 2
    assert len(read_overruns(office.scan_dir, "correction")) == 2, "both passed their reservations"


def test_each_stage_is_told_once_that_a_price_is_wrong_also_where_enough_was_reserved(
    make: Make, tmp_path: Path
) -> None:
    office, provider = make(**DEAR)
    with pytest.raises(PriceWrongError):
        office.calls.ask(1, question(1), text_of)
    other = PaidCallSetup(tmp_path, provider.base_url, scan="another-book", redis=office.redis)
    with pytest.raises(PriceWrongError, match=r"by the known price"):
        other.calls.ask(1, question(1), text_of)
    other.calls.ask(2, question(2), text_of)
    (surprise,) = read_overruns(other.scan_dir, "correction")
    assert surprise.excess == Money()
    other.endpoint.client.close()


def test_a_price_of_nothing_that_was_set_is_wrong_where_calls_cost_something(make: Make) -> None:
    office, provider = make(**DEAR)
    office.reprice(Price(Decimal(0), Decimal(0)))
    with pytest.raises(PriceWrongError, match=r"at most \$0\.00"):
        office.somebody().ask(1, question(1), text_of)
    office.budget = provider.bill().total_usd
    with pytest.raises(BudgetReachedError):
        office.somebody().ask(2, question(2), text_of)
    assert provider.calls == 1


def test_only_calls_in_flight_at_the_first_surprise_pass_the_budget(make: Make) -> None:
    office, provider = make(**DEAR, latency_seconds=0.2)
    office.budget = Decimal("0.02")
    page = count(1)

    def work() -> int:
        """Ask about page after page, as a worker does that takes no notice of the pause."""
        for _ in range(5):
            try:
                number = next(page)
                office.somebody().ask(number, question(number), text_of)
            except (PriceWrongError, BudgetReachedError):
                continue
        return 0

    with ThreadPoolExecutor(3) as threads:
        assert [*threads.map(lambda _: work(), range(3))] == [0, 0, 0]
    assert provider.calls <= 3
    assert provider.bill().total_usd == office.ledger.sums().total.exact_usd
    assert len(read_overruns(office.scan_dir, "correction")) == provider.calls


def test_a_call_that_was_granted_before_another_ones_surprise_is_reserved_anew(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, provider = make(**DEAR)
    office.budget = Decimal("0.02")
    reserve = office.meter.reserve

    def reserve_then_surprise(*arguments: Any) -> Reserved:
        granted = reserve(*arguments)
        if granted is Reserved.GRANTED:
            monkeypatch.setattr(office.meter, "reserve", reserve)
            with pytest.raises(PriceWrongError):
                office.somebody().ask(8, question(8), text_of)
        return granted

    monkeypatch.setattr(office.meter, "reserve", reserve_then_surprise)
    with pytest.raises(BudgetReachedError):
        office.calls.ask(7, question(), text_of)
    assert provider.calls == 1
    assert office.reserved() == Money()


def test_what_calls_really_cost_is_known_after_a_flush_also_for_other_scans(make: Make, tmp_path: Path) -> None:
    office, provider = make(**DEAR)
    with pytest.raises(PriceWrongError):
        office.calls.ask(1, question(1), text_of)
    cost = Money.from_usd(provider.bill().total_usd)
    office.redis.flushall()
    other = PaidCallSetup(tmp_path, provider.base_url, scan="another-book", redis=office.redis)
    other.budget = cost.exact_usd - Money.from_micro(1).exact_usd
    with pytest.raises(BudgetReachedError):
        other.calls.ask(1, question(1), text_of)
    assert provider.calls == 1
    other.endpoint.client.close()


def test_a_dear_model_of_one_stage_leaves_the_rest_of_the_budget_to_the_others(make: Make) -> None:
    office, provider = make(**DEAR)
    fix = office.other_stage("fix", "another-model", Price(Decimal(50), Decimal(200)))
    office.budget = Decimal(1)
    with pytest.raises(PriceWrongError):
        office.calls.ask(1, question(1), text_of)
    fix.ask(1, question(1), text_of)
    assert len(read_overruns(office.scan_dir, "correction")) == 1
    assert read_overruns(office.scan_dir, "fix") == []
    assert office.meter.read() == Reading(Money.from_usd(provider.bill().total_usd), Money()), (
        "both count in one budget"
    )
    office.budget = provider.bill().total_usd
    with pytest.raises(BudgetReachedError):
        fix.ask(2, question(2), text_of)


def test_a_price_that_the_user_corrects_counts_at_once(make: Make) -> None:
    office, provider = make(**DEAR)
    with pytest.raises(PriceWrongError):
        office.calls.ask(1, question(1), text_of)
    office.reprice(Price(Decimal(50), Decimal(200)))
    office.somebody().ask(2, question(2), text_of)
    assert provider.calls == 2
    assert len(read_overruns(office.scan_dir, "correction")) == 1


def test_tokens_beyond_the_estimate_are_a_surprise_too(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    office, _ = make()
    monkeypatch.setattr(settlement, "usage_of", lambda _raw: Usage(tokens_in=900_000, tokens_out=100))
    with pytest.raises(PriceWrongError, match="counts tokens differently"):
        office.calls.ask(1, question(1), text_of)
    assert office.ledger.spent(1) == Money.from_micro(135_060)
    office.budget = Decimal("0.2")
    with pytest.raises(BudgetReachedError):
        office.calls.ask(2, question(2), text_of)


def test_a_model_without_a_price_reserves_what_its_calls_have_cost_and_goes_on(make: Make) -> None:
    """The user has allowed it to be asked."""
    office, provider = make(**DEAR)
    office.reprice(None)
    calls = office.somebody()
    calls.ask(1, question(1), text_of)
    office.budget = provider.bill().total_usd
    with pytest.raises(BudgetReachedError):
        calls.ask(2, question(2), text_of)
    assert provider.calls == 1


def test_a_forged_key_of_learned_costs_is_replaced(make: Make) -> None:
    office, provider = make()
    office.redis.set("learned_costs", "forged")
    office.calls.ask(1, question(1), text_of)
    assert provider.calls == 1
    learned = office.endpoint.learned
    office.redis.hset("learned_costs", mapping=dict.fromkeys(learned_costs._fields("p", MODEL, "x"), "forged"))
    assert learned.of("p", MODEL, "x") == Learned()


def test_a_cost_finer_than_a_micro_dollar_is_booked_as_it_is(make: Make) -> None:
    office, provider = make(report_cost=True, price_in=Decimal("0.001"), price_out=Decimal("0.0013"))
    llm = office.calls.ask(7, question(), lambda reply: reply.llm)
    bill = provider.bill().total_usd
    assert Money.from_usd(bill) < Money.from_micro(1)
    assert office.ledger.sums().total == Money.from_usd(bill)
    assert office.meter.read() == Reading(Money.from_usd(bill), Money())
    assert llm.cost_usd == float(bill)


def answering(office: PaidCallSetup, monkeypatch: pytest.MonkeyPatch, *answers: tuple[str, str]) -> None:
    """Let the provider answer with these ids and words, in this order, each call for $0.0001."""
    left = iter(answers)

    def send(_model: str, _prompt: Prompt[Corrected]) -> RawAnswer:
        answer_id, text = next(left)
        words = json.dumps({"regions": [{"id": "r1", "text": text}]})
        body = {
            "id": answer_id,
            "choices": [{"message": {"content": words}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 10, "cost": 0.0001},
        }
        return RawAnswer(body=json.dumps(body), response_id=answer_id)

    monkeypatch.setattr(office.endpoint.client, "send", send)


def test_an_answer_that_was_given_to_another_question_is_not_booked_under_this_one(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, _ = make()
    answering(office, monkeypatch, ("x-1", "Alice"), ("x-1", "Alice"), ("x-2", "Rabbit"))
    office.calls.ask(7, question(7), text_of)
    assert office.somebody().ask(8, question(8), text_of) == "Rabbit"
    assert (office.ledger.spent(7), office.ledger.spent(8)) == (Money.from_micro(100), Money.from_micro(100))
    assert office.meter.read() == Reading(Money.from_micro(200), Money())
    assert office.states() == [State.ANSWERED] * 2


def test_a_gateway_that_repeats_one_answer_has_pages_wait_and_books_nothing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, _ = make()
    answering(office, monkeypatch, *[("x-1", "Alice")] * 4)
    office.calls.ask(7, question(7), text_of)
    with pytest.raises(ProviderError, match="repeated its answer to another question"):
        office.calls.ask(8, question(8), text_of)
    assert (office.ledger.spent(8), office.reserved()) == (Money(), Money())


def test_ids_that_a_server_draws_from_a_few_numbers_are_no_repetition(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, _ = make()
    answering(
        office, monkeypatch, ("chatcmpl-7", "Alice"), ("chatcmpl-7", "Rabbit"), ("", "Rabbit"), ("", "Rabbit")
    )
    assert [office.calls.ask(page, question(page), text_of) for page in (1, 2, 3, 4)] == [
        "Alice",
        "Rabbit",
        "Rabbit",
        "Rabbit",
    ]
    assert office.ledger.sums().total == Money.from_micro(400)


def test_an_answer_that_is_repeated_to_the_same_question_is_paid_for_once(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, _ = make()
    answering(office, monkeypatch, ("x-1", "Alice"), ("x-1", "Alice"))
    with pytest.raises(AnswerRefusedError):
        office.calls.ask(7, question(), refuse)
    office.calls.ask(7, question(), text_of)
    assert office.ledger.spent(7) == Money.from_micro(100)
    assert office.meter.read() == Reading(Money.from_micro(100), Money())


def test_a_forged_key_of_seen_answers_is_replaced(make: Make) -> None:
    office, provider = make()
    office.redis.set(f"answers:{SCAN}", "forged")
    office.calls.ask(7, question(), text_of)
    assert provider.calls == 1
    assert office.redis.type(f"answers:{SCAN}") == b"hash"

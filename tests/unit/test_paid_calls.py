"""One question to a model: paid for once, on record before it is used, and never beyond the budget."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from fakeredis import FakeRedis
from pydantic import BaseModel, ConfigDict
from redis.exceptions import ConnectionError as RedisConnectionError

import tests.fake_info  # noqa: F401  # a meter asks which server it is on
from checkpointing.ledger import Ledger, State
from checkpointing.money import MICRO_DOLLAR, micro
from sample.provider import Behaviour, Provider, Trouble, running_provider
from worker.llm import paid_calls
from worker.llm.client import ModelClient
from worker.llm.errors import AnswerRefusedError, BudgetReachedError, ProviderError
from worker.llm.meter import Meter, Reading
from worker.llm.paid_calls import Desk, PaidCalls
from worker.llm.prices import Price, PriceBook
from worker.llm.prompt import Prompt
from worker.llm.rate_limits import RateLimits
from worker.llm.refill import refill
from worker.llm.refusals import CallFailedError
from worker.llm.reply import CostSource, Reply
from worker.llm.retries import Backoff
from worker.metrics.events import Metrics, use

MODEL = "a-model"
SCAN = "a-book"


class Region(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    text: str


class Corrected(BaseModel):
    model_config = ConfigDict(title="correction", extra="ignore")

    regions: list[Region]


def question(page: int = 7, text: str = "Alice was beginning to get very tired") -> Prompt[Corrected]:
    user = {"page": page, "before": "", "after": "", "regions": [{"id": "r1", "type": "body", "text": text}]}
    return Prompt(system="Correct this.", user=json.dumps(user), answer=Corrected, most_tokens=400)


def text_of(reply: Reply[Corrected]) -> str:
    return reply.answer.regions[0].text


def ask_all(office: "Office") -> None:
    for page in range(1, 100):
        office.calls.ask(page, question(page), text_of)


def refuse(_reply: Reply[Corrected]) -> str:
    raise AnswerRefusedError("loop", "it goes round and round")


class Office:
    """A scan's books, and whoever asks on its behalf."""

    def __init__(self, root: Path, url: str) -> None:
        self.scan_dir = root / SCAN
        self.redis = FakeRedis()
        self.ledger = Ledger(self.scan_dir, "correction")
        self.meter = Meter(self.redis, "meter")
        self.budget: Decimal | None = None
        self.budgets: list[Decimal] = []
        """Those that are in force before that, each for one look."""
        client = ModelClient(url, "a-key", 10.0)
        self.desk = Desk(
            client=client,
            provider="127.0.0.1",
            model=MODEL,
            prices=PriceBook({MODEL: Price(Decimal("0.15"), Decimal("0.60"))}, url),
            limits=RateLimits(self.redis, "rates", None, None),
            backoff=Backoff(tries=2, base_seconds=0.01, most_seconds=0.02),
        )
        self.calls = self.somebody()

    def somebody(self) -> PaidCalls:
        """As another process has it."""
        return PaidCalls(
            SCAN,
            "correction",
            self.desk,
            self.ledger,
            self.meter,
            lambda: refill(self.scan_dir, self.meter),
            lambda: self.budgets.pop(0) if self.budgets else self.budget,
        )

    def states(self) -> list[State]:
        return sorted(line.state for line in self.ledger.all())


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Office, Provider]]]:
    monkeypatch.setattr(paid_calls, "_MOST_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(paid_calls, "_LOOK_SECONDS", 0.01)
    opened: list[Office] = []
    running = []

    def made(**behaviour: object) -> tuple[Office, Provider]:
        context = running_provider(Behaviour(**behaviour))  # type: ignore[arg-type]
        provider = context.__enter__()
        running.append(context)
        opened.append(Office(tmp_path, provider.base_url))
        return opened[-1], provider

    yield made
    for office in opened:
        office.desk.client.close()
        office.redis.close()
    for context in running:
        context.__exit__(None, None, None)


Make = Callable[..., tuple[Office, Provider]]


def test_an_answer_is_used_and_costs_what_the_provider_bills(make: Make) -> None:
    office, provider = make()
    assert office.calls.ask(7, question(), text_of).startswith("Alice was beginning")
    assert office.ledger.spent(7) == micro(provider.bill().total_usd)
    assert office.meter.read() == Reading(office.ledger.spent(7), 0)
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
    assert office.ledger.spent(7) == micro(provider.bill().total_usd)


def test_an_answer_that_is_no_answer_is_paid_for_and_refused(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.WRONG_SCHEMA,))
    with pytest.raises(AnswerRefusedError) as refused:
        office.calls.ask(7, question(), text_of)
    assert refused.value.kind == "schema"
    assert office.states() == [State.REJECTED]
    assert office.ledger.spent(7) == micro(provider.bill().total_usd)


def test_a_server_that_fails_is_asked_again_and_leaves_no_trace(make: Make) -> None:
    office, provider = make(trouble=0.5, kinds=(Trouble.SERVER_ERROR,), seed=4)
    for page in range(1, 9):
        try:
            office.calls.ask(page, question(page), text_of)
        except CallFailedError:
            continue
    assert provider.calls > len(office.states())
    assert set(office.states()) == {State.ANSWERED}
    assert sum(office.ledger.sums().spent.values()) == micro(provider.bill().total_usd)


def test_a_provider_that_wants_to_be_left_alone_is(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.RATE_LIMITED,))
    for page in range(1, 99):
        # Until it asks for a whole second: that is longer than a call of this test waits.
        if office.desk.rest.left_seconds() > 0:
            break
        with pytest.raises(CallFailedError):
            office.calls.ask(page, question(page), text_of)
    calls = provider.calls
    with pytest.raises(ProviderError, match="wants no call"):
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
    assert reading.spent == 0
    assert reading.reserved >= micro(provider.bill().total_usd)


def test_an_answer_that_tells_no_tokens_counts_as_the_most_it_may_cost(make: Make) -> None:
    office, provider = make(trouble=1.0, kinds=(Trouble.NO_USAGE,))
    llm = office.calls.ask(7, question(), lambda reply: reply.llm)
    assert llm.cost_source is CostSource.ESTIMATED
    assert office.ledger.spent(7) >= micro(provider.bill().total_usd)


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
    somebody_elses = office.calls._noted(1, question(1), "0" * 64)
    small = somebody_elses.most_micro * MICRO_DOLLAR * 3 / 2
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


def _fail(*_: object) -> None:
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
    assert office.meter.read() == Reading(office.ledger.spent(7), 0)


def test_an_answer_waits_for_a_disk_that_is_full(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    office, provider = make()
    monkeypatch.setattr(paid_calls, "_STORAGE_PAUSES_SECONDS", (0.01, 0.01))
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
        self.micro = 0

    def spent(self, stage: str, micro: int) -> None:
        assert stage == "correction"
        self.micro += micro


def test_what_is_spent_is_told_once_also_for_answers_that_are_no_use(
    make: Callable[..., tuple[Office, Provider]],
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
    assert till.micro == office.ledger.sums().total > 0

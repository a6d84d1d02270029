"""One question to a model, paid for once.

The order is what keeps the books right, whoever dies whenever. The ledger knows of a call before it is made, the
meter has reserved the most that it may cost, the answer and its cost are in the ledger before anybody looks at what
it says, and an answer that is there already is used instead of asking again.

A worker may be paused at any time, for hours. So after every wait, and last of all before the call goes out, it
makes sure that the page is still its own and that the ledger still has no answer.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from time import sleep
from typing import TypeVar

import structlog
from pydantic import BaseModel
from redis.exceptions import RedisError

from checkpointing.errors import StorageError
from checkpointing.ledger import Call, Ledger, new_attempt
from checkpointing.models import now
from checkpointing.money import bound_micro, dollars, exact_micro, micro, usd
from checkpointing.plurals import counted
from checkpointing.surprises import Surprise, note_surprise, read_surprises
from worker.billing.call_spans import record_call
from worker.billing.estimate import basis_of, likely_tokens_of, most_cost
from worker.billing.learned_costs import Estimate, LearnedCosts, surprise_of
from worker.billing.meter import Meter, Reserved
from worker.billing.meter_refill import take_back_planned
from worker.billing.prices import PriceBook
from worker.billing.seen_answers import SeenAnswers, was_paid_before
from worker.llm.circuit_breaker import Breaker, Failures
from worker.llm.client import ModelClient
from worker.llm.errors import (
    AnswerRefusedError,
    BudgetReachedError,
    ClaimLostError,
    PriceWrongError,
    ProviderError,
    ProviderRefusesError,
)
from worker.llm.local_servers import CallSlots
from worker.llm.prompt import Prompt
from worker.llm.rate_limits import RateLimits
from worker.llm.raw_answer import RawAnswer, answer_of, holds_words, reported_cost, usage_of
from worker.llm.refusals import CallFailedError
from worker.llm.reply import CostSource, LlmRecord, Reply, Usage
from worker.llm.retries import Backoff, Rest
from worker.telemetry.metrics.events import metrics

Answer = TypeVar("Answer", bound=BaseModel)
Made = TypeVar("Made")

# How long a page waits for its turn, or for calls of others to come to less than was reserved for them, before it
# lets another page try.
_MOST_WAIT_SECONDS = 15.0
_LOOK_SECONDS = 0.25
# How long the last look at claim and ledger holds good before a call goes out.
_FRESH_SECONDS = 1.0
# How long a page waits for calls for other pages, where a server of one's own takes only a few at once.
_MOST_QUEUE_SECONDS = 60.0
# An answer that was paid for is worth waiting for a disk that is full.
_STORAGE_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
# Trials, at growing pauses, before a person is asked to look at an address where something else answers.
_MOST_FOREIGN_PAUSES = 5

log = structlog.get_logger("leafmark.llm")


@dataclass(frozen=True, slots=True)
class Desk:
    """What a process needs to ask one model; the same for all scans.

    Attributes:
        client: of the provider.
        provider: host of it, for the records.
        model: that is asked.
        prices: what it costs.
        limits: calls and tokens a minute, over all machines.
        backoff: how often and when a call is made again.
        learned: what its calls turned out to cost beyond the known price.
        seen: which question each answer belonged to.
        breaker: keeps all workers from a model that does not answer.
        rest: that the provider has asked for.
        slots: how many calls this process makes at once.
    """

    client: ModelClient
    provider: str
    model: str
    prices: PriceBook
    limits: RateLimits
    backoff: Backoff
    learned: LearnedCosts
    seen: SeenAnswers
    breaker: Breaker
    rest: Rest = field(default_factory=Rest)
    slots: CallSlots = field(default_factory=lambda: CallSlots(is_bounded=False))


class PaidCalls:
    """Asks a model on behalf of one stage of one scan.

    Args:
        scan_id: the book.
        stage: name of the stage.
        desk: the model.
        ledger: of the stage.
        meter: of the scan.
        refill: fills the meter from the ledgers of the scan.
        budget: tells what the scan may cost, in USD; None for no bound.
    """

    def __init__(
        self,
        scan_id: str,
        stage: str,
        desk: Desk,
        ledger: Ledger,
        meter: Meter,
        refill: Callable[[], object],
        budget: Callable[[], Decimal | None],
    ) -> None:
        self._scan_id = scan_id
        self._stage = stage
        self._desk = desk
        self._ledger = ledger
        self._scan_dir = ledger.path.parent.parent
        self._meter = meter
        self._refill = refill
        self._budget = budget

    def ask(
        self,
        page: int,
        prompt: Prompt[Answer],
        accept: Callable[[Reply[Answer]], Made],
        still_ours: Callable[[], bool] = lambda: True,
    ) -> Made:
        """Ask, unless the answer was paid for earlier, and let it be accepted.

        Args:
            page: which page the question is about, from 1.
            prompt: the question.
            accept: makes something of the answer, or refuses it.
            still_ours: tells whether this worker still holds the claim on the page.

        Raises:
            AnswerRefusedError: the answer makes no sense; the ledger has it as rejected.
            ClaimLostError: another worker has the page; no call was made, or none is made again.
            ProviderError: the provider is away, overloaded or limits us.
            ProviderRefusesError, BudgetReachedError, PriceWrongError: nothing goes on until a person has done
                something. The answer of a call that was dearer than its price allows is in the ledger.
            OSError, StorageError, RedisError: storage or broker failed; nothing was spent that is not noted.
        """
        if not self._desk.model.strip():
            raise ProviderRefusesError(
                f"the stage {self._stage} has no model to ask: set LEAFMARK_{self._stage.upper()}_MODEL where the "
                "workers run, and enqueue again"
            )
        question = prompt.sha256(self._desk.model)
        call = self._paid_earlier(page, question) or self._pay(page, prompt, question, still_ours)
        try:
            return accept(self._reply(call, prompt))
        except AnswerRefusedError:
            self._ledger.reject(call)
            raise

    def _reply(self, call: Call, prompt: Prompt[Answer]) -> Reply[Answer]:
        record = LlmRecord(
            provider=call.provider,
            model=call.model,
            recipe_sha256=prompt.recipe_sha256(call.model),
            request_sha256=call.request_sha256,
            usage=Usage.model_validate(call.usage),
            cost_usd=usd(call.cost_micro or 0),
            cost_source=CostSource(call.cost_source),
            seconds=call.seconds or 0.0,
            attempts=self._ledger.answers(call.page),
        )
        return Reply(answer_of(RawAnswer(body=call.answer), prompt.answer), record)

    def _paid_earlier(self, page: int, question: str) -> Call | None:
        call = self._ledger.usable(page, question)
        if call is not None:
            # Whoever noted the answer may have died before the meter knew; said twice it does no harm.
            self._meter.settle(call.attempt, call.cost_micro or 0)
        return call

    def _paid_meanwhile(self, page: int, question: str, still_ours: Callable[[], bool]) -> Call | None:
        """Look at the claim and the ledger again, as is due after every wait.

        Returns:
            An answer that another worker has paid for meanwhile.

        Raises:
            ClaimLostError: another worker has the page.
        """
        if not still_ours():
            raise ClaimLostError(f"the claim on page {page} was lost before its call was made")
        return self._paid_earlier(page, question)

    def _pay(self, page: int, prompt: Prompt[Answer], question: str, still_ours: Callable[[], bool]) -> Call:
        """Make the call, again where the provider failed, until there is an answer."""
        failures = 0
        estimate = self._estimate(prompt)
        self._desk.client.prepare()
        while True:
            with self._slot():
                self._wait_for_turn(prompt)
                booked = self._booked(page, estimate, question, still_ours)
                call = booked if _is_paid(booked) else self._cleared(booked, estimate, still_ours)
                if call is None:
                    continue
                if _is_paid(call):
                    return call
                try:
                    return self._answered(call, prompt, estimate)
                except CallFailedError as error:
                    failed = error
            failures += 1
            in_all = self._note_failure(call, failed)
            pause = self._desk.backoff.pause_before(failures, failed.retry_after_seconds)
            log.warning("call failed", error=str(failed), failures=failures, again_after=pause)
            if pause is None:
                self._desk.rest.take(failed.retry_after_seconds)
                self._insist_on_blameless_page(page, failed, failures, in_all)
                raise failed
            sleep(pause)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """Be one of the calls that this process makes at once.

        Raises:
            ProviderError: so many are under way already, and take long.
        """
        with self._desk.slots.taken(_MOST_QUEUE_SECONDS) as is_free:
            if not is_free:
                raise ProviderError(f"{self._desk.provider} is busy with other pages, which take long")
            yield

    def _answered(self, call: Call, prompt: Prompt[Answer], estimate: Estimate) -> Call:
        """Make a call that is noted as asked, and note what became of it.

        Raises:
            CallFailedError: it came to nothing.
            PriceWrongError: it cost more than was reserved for it.
            AnswerRefusedError, ProviderRefusesError: the provider refuses it.
        """
        started = time.monotonic()
        try:
            raw = self._desk.client.send(self._desk.model, prompt)
        except CallFailedError as error:
            record_call(call, time.monotonic() - started, error)
            if error.is_timeout:
                self._desk.slots.note_timeout()
            if not error.may_have_been_billed:
                self._withdraw(call)
            raise
        except (AnswerRefusedError, ProviderRefusesError) as error:
            record_call(call, time.monotonic() - started, error)
            self._provider_works()
            # The provider did not take it: it cannot have been billed.
            self._withdraw(call)
            raise
        except BaseException:
            # Told to stop: what became of the call is not known.
            with suppress(RedisError):
                self._desk.breaker.leave(call.attempt)
            raise
        if self._is_repeated(call, raw):
            self._withdraw(call)
            raise CallFailedError(
                f"{call.provider} repeats its answer to another question (id {raw.response_id}), so nothing was "
                "booked; switch off the cache of LEAFMARK_LLM_BASE_URL"
            )
        if holds_words(raw):
            self._desk.slots.note_answer(raw.seconds)
            self._provider_works()
            return self._settled(call, raw, estimate)
        # Billed, and no answer: the provider's failure and not the page's.
        self._ledger.reject(self._settled(call, raw, estimate))
        said = self._desk.client.quoted_error(raw)
        message = f"{call.provider} billed a call and gave no answer"
        raise CallFailedError(f"{message}: {said}" if said else message, may_have_been_billed=True)

    def _is_repeated(self, call: Call, raw: RawAnswer) -> bool:
        """Whether an answer belonged to another question before. Where the broker cannot say, it is a new one."""
        with suppress(RedisError):
            return self._desk.seen.is_repeated(self._scan_id, call.request_sha256, raw.body)
        return False

    def _was_paid_before(self, call: Call, raw: RawAnswer) -> bool:
        """Whether the same answer was paid for, for this page. Where storage cannot say, it is a new one."""
        with suppress(OSError):
            return was_paid_before(self._ledger.answered(call.page), raw.body)
        return False

    def _provider_works(self) -> None:
        # The answer is safe; a breaker that stays as it was lets a trial through after its pause.
        with suppress(RedisError):
            self._desk.breaker.answered()

    def _note_failure(self, call: Call, error: CallFailedError) -> Failures | None:
        """Tell all workers of a call that came to nothing.

        Returns:
            How the model stands; None where the broker failed.

        Raises:
            ProviderRefusesError: it came to nothing so often that a person has to look at the address.
        """
        try:
            failures = self._desk.breaker.failed(
                call.attempt,
                str(error),
                is_foreign=error.is_foreign,
                is_outage=not error.is_rate_limit,
                may_have_been_billed=error.may_have_been_billed and call.most_micro > 0,
                retry_after_seconds=error.retry_after_seconds,
            )
        except RedisError:
            return None
        if failures.all_foreign and failures.opens > _MOST_FOREIGN_PAUSES:
            raise ProviderRefusesError(f"{error} ({failures.in_a_row} calls in a row came to nothing)")
        return failures

    def _insist_on_blameless_page(
        self, page: int, error: CallFailedError, failures: int, in_all: Failures | None
    ) -> None:
        """See that a page whose calls may have been billed is not asked about for ever while others are answered.

        Raises:
            AnswerRefusedError: calls for other pages were answered between those for this one.
        """
        if error.may_have_been_billed and in_all is not None and in_all.in_a_row < failures:
            message = f"{failures} calls for page {page} got no answer, and other pages did; the last: {error}"
            raise AnswerRefusedError("no_answer", message) from error

    def _wait_for_turn(self, prompt: Prompt[Answer]) -> None:
        desk = self._desk
        give_up_at = time.monotonic() + _MOST_WAIT_SECONDS
        while (left := desk.breaker.left_seconds()) > 0:
            if time.monotonic() >= give_up_at:
                raise ProviderError(f"{desk.model} is left alone for another {left:.0f} s{self._why_silent()}")
            sleep(min(left, _LOOK_SECONDS))
        if (left := desk.rest.left_seconds()) > 0:
            raise ProviderError(f"{desk.provider} wants no call of {desk.model} for another {left:.0f} s")
        tokens = likely_tokens_of(prompt)
        if not desk.limits.wait_for_turn(desk.provider, desk.model, tokens, _MOST_WAIT_SECONDS):
            raise ProviderError(f"no turn for a call of {desk.model} within {_MOST_WAIT_SECONDS:g} s")

    def _booked(self, page: int, estimate: Estimate, question: str, still_ours: Callable[[], bool]) -> Call:
        """Plan a call that the budget has room for.

        Returns:
            The planned call; or one with an answer, where another worker has paid for it meanwhile.

        Raises:
            ClaimLostError: another worker has the page.
            BudgetReachedError: there is no room, and will be none.
        """
        deadline = time.monotonic() + _MOST_WAIT_SECONDS
        recounted = False
        while True:
            if (paid := self._paid_meanwhile(page, question, still_ours)) is not None:
                return paid
            budget = self._budget()
            call = self._planned(page, estimate, question)
            granted = self._reserve(call, budget)
            if granted is Reserved.GRANTED:
                return call
            if granted is Reserved.EMPTY:
                continue
            # Before it waits: calls that only wait need no room.
            self._withdraw(call)
            if granted is Reserved.WAIT and self._room_comes(call, deadline):
                continue
            if self._budget() != budget:
                # Somebody has changed it meanwhile: a pause would be for one that is in force no longer.
                continue
            if recounted:
                # The last wait may have been a long one, too.
                if (paid := self._paid_meanwhile(page, question, still_ours)) is not None:
                    return paid
                raise BudgetReachedError(self._what_is_left(call, budget), budget)
            # Dead workers, and commands whose reply was lost, may have left too much in the meter.
            self._meter.empty()
            recounted = True

    def _cleared(self, call: Call, estimate: Estimate, still_ours: Callable[[], bool]) -> Call | None:
        """Make sure, last of all, that a granted call is still to be made, and note that it is.

        Returns:
            The call, which is noted as asked; or one with an answer, which makes it needless; None where it has to
            be planned anew.

        Raises:
            ClaimLostError: another worker has the page.
        """
        looked_at = time.monotonic()
        try:
            paid = self._paid_meanwhile(call.page, call.request_sha256, still_ours)
            outdated = self._most(estimate) > call.most_micro
            is_let_through = paid is None and not outdated and self._desk.breaker.enter(call.attempt)
        except (ClaimLostError, RedisError, OSError):
            self._withdraw(call)
            raise
        if not is_let_through:
            self._withdraw(call)
            return paid
        if self._ledger.mark_asked(call):
            is_fresh = time.monotonic() - looked_at < _FRESH_SECONDS
            return call if is_fresh else self._still_due(call, still_ours)
        # A recount, or the next worker of this page, has taken the plan back.
        self._desk.breaker.leave(call.attempt)
        self._meter.cancel(call.attempt)
        return None

    def _still_due(self, call: Call, still_ours: Callable[[], bool]) -> Call:
        """Look once more at what was seen before storage took its time, or this worker was paused.

        Returns:
            The call; or one with an answer, which makes it needless.

        Raises:
            ClaimLostError: another worker has the page.
        """
        try:
            paid = self._paid_meanwhile(call.page, call.request_sha256, still_ours)
        except (ClaimLostError, RedisError, OSError):
            self._leave(call)
            raise
        if paid is None:
            return call
        self._leave(call)
        return paid

    def _leave(self, call: Call) -> None:
        """Take back a call that was noted as asked and is not made."""
        with suppress(RedisError):
            self._desk.breaker.leave(call.attempt)
        self._withdraw(call)

    def _estimate(self, prompt: Prompt[Answer]) -> Estimate:
        desk = self._desk
        most = micro(most_cost(prompt, desk.model, desk.prices), at_most=True)
        return Estimate(desk.prices.describe(desk.model), most, basis_of(prompt, most))

    def _most(self, estimate: Estimate) -> int:
        """What to reserve for a call, in micro-dollars: by the known price, and by what calls have really cost."""
        return self._desk.learned.of(self._desk.provider, self._desk.model, estimate.price).most(estimate)

    def _planned(self, page: int, estimate: Estimate, question: str) -> Call:
        # Of a worker that had this page before: it is dead, or is to find out that the page is no longer its own.
        take_back_planned(self._ledger, self._meter, [page])
        call = Call(
            attempt=new_attempt(),
            scan_id=self._scan_id,
            stage=self._stage,
            page=page,
            provider=self._desk.provider,
            model=self._desk.model,
            request_sha256=question,
            most_micro=self._most(estimate),
        )
        self._ledger.plan(call)
        return call

    def _reserve(self, call: Call, budget: Decimal | None) -> Reserved:
        """Take from the budget what the call may cost at the most, if it is there.

        Returns:
            What the meter says. Where it was empty it is filled by now, and the call has to be planned anew.
        """
        bound = None if budget is None else bound_micro(budget)
        try:
            granted = self._meter.reserve(call.attempt, call.most_micro, bound)
            if granted is Reserved.EMPTY:
                # The refill takes back whatever is planned; a reservation must not outlive its plan.
                self._ledger.withdraw(call)
                self._refill()
        except RedisError:
            # A meter that cannot be read: nothing is spent.
            self._ledger.withdraw(call)
            raise
        return granted

    def _room_comes(self, call: Call, deadline: float) -> bool:
        """Wait for calls of others to come to less than was reserved for them, or for a larger budget.

        Returns:
            Whether that came about in time.
        """
        while time.monotonic() < deadline:
            sleep(_LOOK_SECONDS)
            reading, budget = self._meter.read(), self._budget()
            if reading is None or budget is None or reading.total + call.most_micro <= bound_micro(budget):
                return True
        return False

    def _why_silent(self) -> str:
        """What keeps the model from answering, in words; empty where nothing does."""
        silence = self._desk.breaker.silence()
        if silence is None:
            return ""
        calls = counted(silence.count, "call", "calls in a row")
        return f"; no answer came to {calls}: {silence.said}"

    def _what_is_left(self, call: Call, budget: Decimal | None) -> str:
        reading = self._meter.read()
        spent = "" if reading is None else f" {dollars(usd(reading.spent))} are spent,"
        reserved = "" if reading is None or not reading.reserved else f" {dollars(usd(reading.reserved))} reserved,"
        larger = f"producer enqueue {self._scan_id} --stage {self._stage} --budget USD"
        return (
            f"the budget of ${budget} is reached:{spent}{reserved} and the next page may cost "
            f"{dollars(usd(call.most_micro))}{self._why_silent()}; `{larger}` goes on"
        )

    def _settled(self, call: Call, raw: RawAnswer, estimate: Estimate) -> Call:
        """Note the answer and its cost, before anything is made of it.

        Raises:
            PriceWrongError: the call cost more than it can by the known price, and this stage was not told before.
                Its answer is noted all the same.
        """
        usage = usage_of(raw)
        reported = self._desk.prices.believed(self._desk.model, reported_cost(raw))
        if self._was_paid_before(call, raw):
            # The id says that it is the same call again, which is billed once.
            cost, source = Decimal(0), CostSource.PROVIDER
        elif usage is None and reported is None:
            # Billed for all we know, and nobody says how much: what was reserved stands for it.
            cost, source = Decimal(call.most_micro), CostSource.ESTIMATED
        else:
            amount, source = self._desk.prices.cost(self._desk.model, usage or Usage(), reported)
            cost = exact_micro(amount)
        answered = call.model_copy(
            update={
                "answered_at": now(),
                "cost_micro": cost,
                "cost_source": source.value,
                "usage": (usage or Usage()).model_dump(),
                "seconds": round(raw.seconds, 3),
                "answer": raw.body,
            }
        )
        record_call(answered, raw.seconds)
        surprise, is_news = self._surprise(answered, cost, estimate)
        self._keep(answered, surprise)
        metrics().spent(self._stage, cost)
        self._meter.settle(call.attempt, cost)
        if surprise is not None and is_news:
            raise self._price_is_wrong(surprise, estimate)
        return answered

    def _surprise(self, call: Call, cost: Decimal, estimate: Estimate) -> tuple[Surprise | None, bool]:
        """What a call that was dearer than it could be by the known price tells all workers, at once.

        Returns:
            What there is to note, None for any other call; and whether that is news, so that a person has to look.
        """
        is_beyond_reservation = cost > call.most_micro
        is_known = self._desk.prices.knows(call.model)
        is_news = is_known and cost > estimate.most_micro and self._is_news(cost, estimate)
        if not is_beyond_reservation and not is_news:
            return None, False
        surprise = surprise_of(call, math.ceil(cost), estimate)
        # Where the broker fails, what is noted on disk is learned with the next count.
        with suppress(RedisError):
            self._desk.learned.take([surprise])
        log.error(
            "call dearer than the known price allows",
            page=call.page,
            model=call.model,
            cost=dollars(usd(cost)),
            reserved=dollars(usd(call.most_micro)),
        )
        return surprise, is_news

    def _is_news(self, cost: Decimal, estimate: Estimate) -> bool:
        """Whether this stage was not told of a wrong price before, or it is wrong by more than all workers know."""
        with suppress(OSError):
            noted = read_surprises(self._scan_dir, self._stage)
            if all((each.model, each.price) != (self._desk.model, estimate.price) for each in noted):
                return True
        with suppress(RedisError):
            return cost > self._most(estimate)
        return True

    def _price_is_wrong(self, surprise: Surprise, estimate: Estimate) -> PriceWrongError:
        cost, most = dollars(usd(surprise.cost_micro)), dollars(usd(estimate.most_micro))
        again = f"producer enqueue {self._scan_id} --stage {self._stage}"
        return PriceWrongError(
            f"a call of {surprise.model} cost {cost}, and at most {most} by the price known for it "
            f"({surprise.price}): that is wrong, or its tokens are counted otherwise. {self._spent_in_words()}; "
            f"correct LEAFMARK_PRICES='{surprise.model}=IN/OUT' where the workers run, then `{again}`; until then "
            "more is reserved for each call"
        )

    def _spent_in_words(self) -> str:
        reading, budget = self._meter.read(), self._budget()
        spent = "The answer is paid" if reading is None else f"{dollars(usd(reading.spent))} is spent"
        return f"{spent}, without a budget" if budget is None else f"{spent} of the budget of ${budget}"

    def _keep(self, call: Call, surprise: Surprise | None) -> None:
        for pause in (*_STORAGE_PAUSES_SECONDS, None):
            try:
                if surprise is not None:
                    note_surprise(self._scan_dir, self._stage, surprise)
                self._ledger.answer(call)
            except (OSError, StorageError) as error:
                if pause is None:
                    raise
                log.warning("an answer waits for storage", page=call.page, error=str(error))
                sleep(pause)
            else:
                return

    def _withdraw(self, call: Call) -> None:
        self._ledger.withdraw(call)
        self._meter.cancel(call.attempt)


def _is_paid(call: Call) -> bool:
    return call.cost_micro is not None

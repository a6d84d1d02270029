"""Settle a call: save its answer and its cost in the ledger before the answer is used."""

from contextlib import suppress

import structlog
from redis.exceptions import RedisError

from checkpointing.cost_overruns import CostOverrun, read_overruns, record_overrun
from checkpointing.errors import StorageError
from checkpointing.fields import now
from checkpointing.ledger_entry import Call
from checkpointing.money import Money
from worker.billing.call_spans import record_call
from worker.billing.learned_costs import Estimate, overrun_of
from worker.billing.seen_answers import was_paid_before
from worker.billing.stage_account import PageQuestion, StageAccount
from worker.llm.errors import PriceWrongError
from worker.llm.raw_answer import RawAnswer, reported_cost, usage_of
from worker.llm.reply import CostSource, Usage
from worker.telemetry.metrics.events import metrics

# The answer is paid for, so a full disk is worth waiting for.
_STORAGE_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)

log = structlog.get_logger("leafmark.llm")


class Settlement:
    """Records the answers of one stage of one scan and their costs.

    Args:
        account: the account of the stage.
    """

    def __init__(self, account: StageAccount) -> None:
        self._account = account

    def book(self, call: Call, raw: RawAnswer, question: PageQuestion) -> Call:
        """Record an answer and its cost, before the answer is used.

        Returns:
            The call with its answer.

        Raises:
            PriceWrongError: the call cost more than the known price allows, and this stage has not reported that
                before. The answer is recorded nevertheless.
            OSError, StorageError: the storage failed for too long; the call stays recorded as asked.
        """
        usage = usage_of(raw)
        cost, source = self._cost(call, raw, usage)
        answered = call.model_copy(
            update={
                "answered_at": now(),
                "cost_micro": cost.micro,
                "cost_source": source.value,
                "usage": (usage or Usage()).model_dump(),
                "seconds": round(raw.seconds, 3),
                "answer": raw.body,
            }
        )
        record_call(answered, raw.seconds)
        overrun, is_news = self._overrun(answered, cost, question.estimate)
        self._save(answered, overrun)
        metrics().spent(self._account.stage, cost)
        self._account.meter.settle(call.attempt, cost)
        if overrun is not None and is_news:
            raise self._price_wrong(overrun, question.estimate)
        return answered

    def answers_another_question(self, call: Call, raw: RawAnswer) -> bool:
        """Return whether an answer was given to another question before; False if the broker does not answer."""
        account = self._account
        with suppress(RedisError):
            return account.endpoint.seen.is_repeated(account.scan_id, call.request_sha256, raw.body)
        return False

    def _cost(self, call: Call, raw: RawAnswer, usage: Usage | None) -> tuple[Money, CostSource]:
        """Return what an answer cost, and the source of the amount."""
        prices, model = self._account.endpoint.prices, self._account.endpoint.model
        reported = prices.believed(model, reported_cost(raw))
        if self._was_paid_before(call, raw):
            # An answer with the same id is the same call, which the provider bills once.
            return Money(), CostSource.PROVIDER
        if usage is None and reported is None:
            # The provider probably billed it, but the amount is unknown: count what was reserved.
            return call.most, CostSource.ESTIMATED
        amount, source = prices.cost(model, usage or Usage(), reported)
        return Money.from_usd(amount), source

    def _was_paid_before(self, call: Call, raw: RawAnswer) -> bool:
        """Return whether this page has already paid for the same answer; False if the storage cannot be read."""
        with suppress(OSError):
            return was_paid_before(self._account.ledger.answered(call.page), raw.body)
        return False

    def _save(self, call: Call, overrun: CostOverrun | None) -> None:
        account = self._account
        for pause in (*_STORAGE_PAUSES_SECONDS, None):
            try:
                if overrun is not None:
                    record_overrun(account.scan_dir, account.stage, overrun)
                account.ledger.answer(call)
            except (OSError, StorageError) as error:
                if pause is None:
                    raise
                log.warning("an answer waits for storage", page=call.page, error=str(error))
                account.endpoint.waiting.sleep(pause)
            else:
                return

    def _overrun(self, call: Call, cost: Money, estimate: Estimate) -> tuple[CostOverrun | None, bool]:
        """Report a call that cost more than was reserved, or than the known price allows, to all workers at once.

        Returns:
            The record of it, None for any other call; and whether a person has to correct the price.
        """
        account = self._account
        is_known = account.endpoint.prices.knows(call.model)
        is_news = is_known and cost > estimate.most and self._is_news(cost, estimate)
        if cost <= call.most and not is_news:
            return None, False
        overrun = overrun_of(call, cost, estimate)
        # If the broker fails, the workers read it from storage with the next refill of the meter.
        with suppress(RedisError):
            account.endpoint.learned.take([overrun])
        log.error(
            "call dearer than the known price allows",
            page=call.page,
            model=call.model,
            cost=str(cost),
            reserved=str(call.most),
        )
        return overrun, is_news

    def _is_news(self, cost: Money, estimate: Estimate) -> bool:
        """Return whether the stage has not reported this price yet, or the cost exceeds what workers reserve."""
        account = self._account
        with suppress(OSError):
            recorded = read_overruns(account.scan_dir, account.stage)
            if all((each.model, each.price) != (account.endpoint.model, estimate.price) for each in recorded):
                return True
        with suppress(RedisError):
            return cost > account.to_reserve(estimate)
        return True

    def _price_wrong(self, overrun: CostOverrun, estimate: Estimate) -> PriceWrongError:
        account = self._account
        cost = Money.from_micro(overrun.cost_micro)
        return PriceWrongError(
            f"a call of {overrun.model} cost {cost}, at most {estimate.most} by the known price ({overrun.price}): "
            f"the price is wrong, or the provider counts tokens differently; {account.spent_of_budget()}",
            hint=f"correct LEAFMARK_PRICES='{overrun.model}=IN/OUT' where the workers run, then run `producer "
            f"enqueue {account.scan_id} --stage {account.stage}`; until then more is reserved for each call",
        )

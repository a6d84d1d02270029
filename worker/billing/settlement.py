"""Settle a call: save its answer and its cost in the ledger before the answer is used."""

from contextlib import suppress

import structlog
from redis.exceptions import RedisError

from checkpointing.cost_overruns import CostOverrun, read_overruns, record_overrun
from checkpointing.errors import StorageError
from checkpointing.fields import now
from checkpointing.ledger_entry import Call
from checkpointing.money import Money
from worker.billing.learned_costs import Estimate, overrun_of
from worker.billing.seen_answers import was_paid_before
from worker.billing.stage_account import PageQuestion, StageAccount
from worker.llm.errors import PriceWrongError
from worker.llm.raw_answer import RawAnswer, reported_cost, usage_of
from worker.llm.reply import CostSource, Usage
from worker.telemetry import tracing
from worker.telemetry.metrics.events import metrics

# The answer is paid for, so a full disk is worth waiting for.
_STORAGE_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)

log = structlog.get_logger("leafmark.llm")


def book(account: StageAccount, call: Call, raw: RawAnswer, question: PageQuestion) -> Call:
    """Record an answer and its cost, before the answer is used.

    Returns:
        The call with its answer.

    Raises:
        PriceWrongError: the call cost more than the known price allows, and this stage has not reported that
            before. The answer is recorded nevertheless.
        OSError, StorageError: the storage failed for too long; the call stays recorded as asked.
    """
    usage = usage_of(raw)
    cost, source = _cost(account, call, raw, usage)
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
    overrun, is_news = _overrun(account, answered, cost, question.estimate)
    _save(account, answered, overrun)
    metrics().spent(account.stage, cost)
    account.meter.settle(call.attempt, cost)
    if overrun is not None and is_news:
        raise _price_wrong(account, overrun, question.estimate)
    return answered


def record_call(call: Call, seconds: float, error: Exception | None = None) -> None:
    """Trace a call that has just ended, without the key and the text. Does nothing while tracing is off.

    Only the type of an error is recorded: its message may quote a server.
    """
    usage = call.usage or {}
    tracing.record(
        "call model",
        seconds,
        error=error,
        scan_id=call.scan_id,
        stage=call.stage,
        page=call.page,
        provider=call.provider,
        model=call.model,
        tokens_in=usage.get("tokens_in"),
        tokens_out=usage.get("tokens_out"),
        cost_usd=call.cost.usd if call.is_answered else None,
    )


def answers_another_question(account: StageAccount, call: Call, raw: RawAnswer) -> bool:
    """Return whether an answer was given to another question before; False if the broker does not answer."""
    with suppress(RedisError):
        return account.endpoint.seen.is_repeated(account.scan_id, call.request_sha256, raw.body)
    return False


def _cost(account: StageAccount, call: Call, raw: RawAnswer, usage: Usage | None) -> tuple[Money, CostSource]:
    """Return what an answer cost, and the source of the amount."""
    prices, model = account.endpoint.prices, account.endpoint.model
    reported = prices.believed(model, reported_cost(raw))
    with suppress(OSError):
        # An answer with the same id is the same call, which the provider bills once.
        if was_paid_before(account.ledger.answered(call.page), raw.body):
            return Money(), CostSource.PROVIDER
    if usage is None and reported is None:
        # The provider probably billed it, but the amount is unknown: count what was reserved.
        return call.most, CostSource.ESTIMATED
    amount, source = prices.cost(model, usage or Usage(), reported)
    return Money.from_usd(amount), source


def _save(account: StageAccount, call: Call, overrun: CostOverrun | None) -> None:
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


def _overrun(account: StageAccount, call: Call, cost: Money, estimate: Estimate) -> tuple[CostOverrun | None, bool]:
    """Report a call that cost more than was reserved, or than the known price allows, to all workers at once.

    Returns:
        The record of it, None for any other call; and whether a person has to correct the price.
    """
    is_known = account.endpoint.prices.knows(call.model)
    is_news = is_known and cost > estimate.most and _is_news(account, cost, estimate)
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


def _is_news(account: StageAccount, cost: Money, estimate: Estimate) -> bool:
    """Return whether the stage has not reported this price yet, or the cost exceeds what workers reserve."""
    with suppress(OSError):
        recorded = read_overruns(account.scan_dir, account.stage)
        if all((each.model, each.price) != (account.endpoint.model, estimate.price) for each in recorded):
            return True
    with suppress(RedisError):
        return cost > account.to_reserve(estimate)
    return True


def _price_wrong(account: StageAccount, overrun: CostOverrun, estimate: Estimate) -> PriceWrongError:
    cost = Money.from_micro(overrun.cost_micro)
    return PriceWrongError(
        f"a call of {overrun.model} cost {cost}, at most {estimate.most} by the known price ({overrun.price}): "
        f"the price is wrong, or the provider counts tokens differently; {account.spent_of_budget()}",
        hint=f"correct LEAFMARK_PRICES='{overrun.model}=IN/OUT' where the workers run, then run `producer "
        f"enqueue {account.scan_id} --stage {account.stage}`; until then more is reserved for each call",
    )

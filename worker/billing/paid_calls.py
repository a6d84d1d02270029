"""One question to a model, paid for once, even when a worker is killed at any point.

The order of the steps is what guarantees that (`docs/explanation/budget.md`). A worker may be paused at any time,
for hours, so claim and ledger are checked again after every wait, and last of all right before the call goes out.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

from checkpointing.ledger_entry import Call
from checkpointing.plurals import counted
from worker.billing.budget_reservation import reserve
from worker.billing.settlement import answers_another_question, book, record_call
from worker.billing.stage_account import PageQuestion, StageAccount
from worker.llm.circuit_breaker import Failures
from worker.llm.errors import AnswerRefusedError, CallFailedError, ClaimLostError, ProviderRefusesError
from worker.llm.prompt import Answer, Prompt
from worker.llm.raw_answer import RawAnswer, answer_of, holds_words
from worker.llm.reply import CostSource, LlmRecord, Reply, Usage

Made = TypeVar("Made")

# How long the last check of claim and ledger holds before a call goes out.
_FRESH_SECONDS = 1.0

log = structlog.get_logger("leafmark.llm")


class PaidCalls:
    """Asks a model on behalf of one stage of one scan."""

    def __init__(self, account: StageAccount) -> None:
        self._account = account
        self._endpoint = account.endpoint

    def ask(
        self,
        page: int,
        prompt: Prompt[Answer],
        accept: Callable[[Reply[Answer]], Made],
        still_ours: Callable[[], bool] = lambda: True,
    ) -> Made:
        """Ask the model, unless the answer was paid for earlier, and pass the answer to `accept`.

        Args:
            page: number of the page that the question is about, from 1.
            prompt: the question.
            accept: makes something of the answer, or raises AnswerRefusedError.
            still_ours: returns whether this worker still holds the claim on the page.

        Raises:
            AnswerRefusedError: the answer is unusable; the ledger has it as rejected.
            ClaimLostError: another worker has the page; no call was made, or none is made again.
            ProviderError: the provider cannot be reached, is overloaded or limits the calls.
            ProviderRefusesError, BudgetReachedError, PriceWrongError: the stage waits for a person. The answer of a
                call that cost more than its price allows is in the ledger.
            OSError, StorageError, RedisError: storage or broker failed; everything that was spent is recorded.
        """
        account = self._account
        if not self._endpoint.model.strip():
            raise ProviderRefusesError(
                f"the stage {account.stage} has no model",
                hint=f"set LEAFMARK_{account.stage.upper()}_MODEL where the workers run, and enqueue again",
            )
        sha256 = prompt.sha256(self._endpoint.model)
        call = account.paid_earlier(page, sha256)
        if call is None:
            call = self._pay(PageQuestion(page, prompt, sha256, account.estimate(prompt), still_ours))
        try:
            return accept(self._reply(call, prompt))
        except AnswerRefusedError:
            account.ledger.reject(call)
            raise

    def _reply(self, call: Call, prompt: Prompt[Answer]) -> Reply[Answer]:
        record = LlmRecord(
            provider=call.provider,
            model=call.model,
            recipe_sha256=prompt.recipe_sha256(call.model),
            request_sha256=call.request_sha256,
            usage=Usage.model_validate(call.usage),
            cost_usd=call.cost.usd,
            cost_source=CostSource(call.cost_source),
            seconds=call.seconds or 0.0,
            attempts=self._account.ledger.answers(call.page),
        )
        return Reply(answer_of(RawAnswer(body=call.answer), prompt.answer), record)

    def _pay(self, question: PageQuestion) -> Call:
        """Make the call, again where the provider failed, until there is an answer."""
        failures = 0
        self._endpoint.client.prepare()
        while True:
            with self._endpoint.slot():
                self._endpoint.wait_for_turn(question.prompt)
                reserved = reserve(self._account, question)
                call = reserved if reserved.is_answered else self._clear_to_send(reserved, question)
                if call is None:
                    continue
                if call.is_answered:
                    return call
                try:
                    return self._send(call, question)
                except CallFailedError as error:
                    failed = error
            failures += 1
            of_model = self._endpoint.record_failure(call, failed)
            pause = self._endpoint.backoff.pause_before(failures, failed.retry_after_seconds)
            log.warning("call failed", error=str(failed), failures=failures, again_after=pause)
            if pause is None:
                self._endpoint.cooldown.extend(failed.retry_after_seconds)
                _check_page_is_not_the_cause(question.page, failed, failures, of_model)
                raise failed
            self._endpoint.waiting.sleep(pause)

    def _clear_to_send(self, call: Call, question: PageQuestion) -> Call | None:
        """Check, last of all, that a reserved call is still to be made, and record it as asked.

        Returns:
            The call, recorded as asked; or an answered one, which makes it needless; None where it has to be
            planned again.
        """
        checked_at = time.monotonic()
        try:
            paid = self._account.check_again(question)
            is_outdated = self._account.to_reserve(question.estimate) > call.most
            may_go = paid is None and not is_outdated and self._endpoint.breaker.enter(call.attempt)
        except (ClaimLostError, RedisError, OSError):
            self._account.withdraw(call)
            raise
        if not may_go:
            self._account.withdraw(call)
            return paid
        if self._account.ledger.mark_asked(call):
            is_fresh = time.monotonic() - checked_at < _FRESH_SECONDS
            return call if is_fresh else self._check_once_more(call, question)
        # A recount, or the next worker of this page, has taken the plan back.
        self._endpoint.breaker.leave(call.attempt)
        self._account.meter.cancel(call.attempt)
        return None

    def _check_once_more(self, call: Call, question: PageQuestion) -> Call:
        """Check claim and ledger after a slow storage, or a pause of this worker, at the last step.

        Returns:
            The call; or an answered one, which makes it needless.
        """
        try:
            paid = self._account.check_again(question)
        except (ClaimLostError, RedisError, OSError):
            self._abandon(call)
            raise
        if paid is None:
            return call
        self._abandon(call)
        return paid

    def _abandon(self, call: Call) -> None:
        """Take back a call that was recorded as asked and is not made."""
        self._endpoint.leave(call)
        self._account.withdraw(call)

    def _send(self, call: Call, question: PageQuestion) -> Call:
        """Make a call that is recorded as asked, and record its end."""
        started = time.monotonic()
        try:
            raw = self._endpoint.client.send(self._endpoint.model, question.prompt)
        except CallFailedError as error:
            record_call(call, time.monotonic() - started, error)
            if error.is_timeout:
                self._endpoint.slots.note_timeout()
            if not error.may_have_been_billed:
                self._account.withdraw(call)
            raise
        except (AnswerRefusedError, ProviderRefusesError) as error:
            record_call(call, time.monotonic() - started, error)
            self._endpoint.record_success()
            # A refused call cannot have been billed.
            self._account.withdraw(call)
            raise
        except BaseException:
            # The worker is being stopped: the end of the call is not known.
            self._endpoint.leave(call)
            raise
        if answers_another_question(self._account, call, raw):
            self._account.withdraw(call)
            raise CallFailedError(
                f"{call.provider} repeated its answer to another question (id {raw.response_id}), so nothing "
                "was booked",
                hint="switch off the cache of LEAFMARK_LLM_BASE_URL",
            )
        if not holds_words(raw):
            # Billed without an answer: the provider's failure, not the page's.
            self._account.ledger.reject(book(self._account, call, raw, question))
            quoted = self._endpoint.client.quoted_error(raw)
            message = f"{call.provider} billed a call and gave no answer"
            raise CallFailedError(f"{message}: {quoted}" if quoted else message, may_have_been_billed=True)
        self._endpoint.slots.note_answer(raw.seconds)
        self._endpoint.record_success()
        return book(self._account, call, raw, question)


def _check_page_is_not_the_cause(
    page: int, error: CallFailedError, failures: int, of_model: Failures | None
) -> None:
    """Fail a page whose calls may have been billed while calls for other pages are answered.

    Without this the page would be asked about, and perhaps billed, without end.
    """
    if error.may_have_been_billed and of_model is not None and of_model.in_a_row < failures:
        message = (
            f"{counted(failures, 'call')} for page {page} got no answer, but other pages did; the last: {error}"
        )
        raise AnswerRefusedError("no_answer", message) from error

"""Process one page: claim it, check for an output, run the stage, save, hand over.

The order is what makes it safe. Nothing is done without the claim; a page whose output is valid already is only
handed over; the output is on disk before anyone hears of it; and what cannot be finished is either quarantined
with its reason, put back in the queue, or left for the reconciler.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from redis.exceptions import RedisError
from structlog.contextvars import bound_contextvars

from checkpointing.errors import (
    PageError,
    PageOutputError,
    SettingsError,
    StagePausedError,
    StorageError,
    UnknownNameError,
    in_one_line,
)
from checkpointing.identity import process_name
from checkpointing.inbox import Entry
from checkpointing.messages import Completion, Pause
from checkpointing.money import Money, whole_micro
from checkpointing.outputs import OutputFolder
from checkpointing.page_records import Doubt, FailedPage
from checkpointing.refs import StageRef
from checkpointing.run_ids import trace_id_of
from worker.billing.model_calls import ModelCalls
from worker.llm.errors import AnswerRefusedError, ClaimLostError, ProviderError
from worker.pipeline.provenance import made_from_of
from worker.pipeline.stage_flow import UPSTREAM, ready
from worker.pipeline.stage_inputs import ScanInputs
from worker.queue.claims import Claim
from worker.queue.client import QueueClient
from worker.queue.messages import Outcome, PageMessage
from worker.stages.base import MadeFrom, PageOutput
from worker.storage.book_store import BookStore
from worker.telemetry import tracing
from worker.telemetry.metrics.events import metrics
from worker.text.control_characters import clean_model

log = structlog.get_logger("leafmark.page")


class _GiveUpError(Exception):
    """This page goes to quarantine."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _NotReadyError(Exception):
    """An input of this page is being made again."""


def _tell_nobody(_why: str) -> None:
    """For those who do not ask why."""


def process_page(
    store: BookStore,
    queues: QueueClient,
    calls: ModelCalls,
    message: PageMessage,
    tell: Callable[[str], None] = _tell_nobody,
) -> Outcome:
    """Process one page, unless it is complete or another worker holds it.

    Args:
        store: the books.
        queues: the broker.
        calls: the models.
        message: which page.
        tell: called with the reason, in words, where the page has not become complete.

    Raises:
        UnknownNameError: there is no such stage, scan or page. Nothing was touched.
        InputError: the scan's metadata is broken. Nothing was touched.
        StorageError: the storage cannot be read; the reconciler enqueues the page again.
        RedisError: the broker failed; the reconciler enqueues the page again.
    """
    started = time.monotonic()
    outcome = _process(store, queues, calls, message, tell)
    metrics().page(message.stage, outcome.value, time.monotonic() - started)
    return outcome


def _process(
    store: BookStore, queues: QueueClient, calls: ModelCalls, message: PageMessage, tell: Callable[[str], None]
) -> Outcome:
    store.stages.get(message.stage)
    total_pages = store.metadata(message.scan_id).total_pages
    if message.page > total_pages:
        raise UnknownNameError(f"there is no page {message.page}: {message.scan_id} has {total_pages} pages")
    about: dict[str, Any] = {"scan_id": message.scan_id, "stage": message.stage, "page": message.page}
    run = message.run or ""
    with (
        bound_contextvars(**about, **({"run": trace_id_of(run)} if run else {})),
        tracing.span("page", parent=run, **about) as span,
        queues.claims.take(message.ref, message.page) as claim,
    ):
        metrics().claim(message.stage, "held" if claim is None else "taken")
        if claim is None:
            tell("somebody else has this page")
            span.set_attributes(tracing.named(outcome=Outcome.HELD.value))
            return Outcome.HELD
        outcome = _Attempt(store, queues, calls, message, claim, tell).run()
        span.set_attributes(tracing.named(outcome=outcome.value, attempt=claim.attempt))
        return outcome


class _Attempt:
    """One attempt at one page, with the claim in hand."""

    def __init__(
        self,
        store: BookStore,
        queues: QueueClient,
        calls: ModelCalls,
        message: PageMessage,
        claim: Claim,
        tell: Callable[[str], None],
    ) -> None:
        self._store = store
        self._queues = queues
        self._calls = calls
        self._tell = tell
        self._message = message
        self._page = message.page
        self._claim = claim
        self._stage = store.stages.get(message.stage)
        self._soft_seconds = store.settings.soft_seconds(message.stage)
        self._outputs: OutputFolder = store.outputs(message.ref)
        self._log = log.bind(scan_id=message.scan_id, stage=message.stage, page=message.page)

    def run(self) -> Outcome:
        try:
            return self._hand_over_what_is_there() or self._work()
        except _GiveUpError as reason:
            return self._quarantine(reason)
        except StagePausedError as reason:
            return self._pause(reason)
        except SettingsError as error:
            # What the profile of the book names is not installed: no attempt here would succeed.
            return self._pause(StagePausedError(f"a worker lacks what this book needs: {error}"))
        except (OSError, StorageError, RedisError, ProviderError, _NotReadyError) as error:
            with suppress(RedisError):
                self._claim.uncount_attempt()
            self._log.warning("waits", error=str(error))
            self._tell(str(error))
            return Outcome.WAITS

    def _hand_over_what_is_there(self) -> Outcome | None:
        verdict = self._outputs.check(self._page)
        if verdict.sha256 is None or not verdict.valid:
            return None
        # The worker that saved it may have died before its name was on disk.
        self._outputs.sync()
        self._claim.uncount_attempt()
        made_from = made_from_of(self._outputs, self._page)
        self._hand_over(self._completion(verdict.sha256, made_from, verdict.doubtful))
        self._log.info("already complete")
        return Outcome.ALREADY_COMPLETE

    def _work(self) -> Outcome:
        limit = self._store.settings.max_attempts
        if self._claim.attempt > limit:
            raise _GiveUpError("crashed", f"its worker died, hung or was stopped at each of {limit} attempts")
        started = time.monotonic()
        try:
            output, made_from = self._make()
            if not self._claim.is_ours():
                return self._drop("claim lost, result dropped")
            # After this claim ran out, another worker may have taken it, finished the page and given it back.
            if (finished := self._hand_over_what_is_there()) is not None:
                return finished
            sha256 = self._outputs.save(self._page, output)
        except ClaimLostError as error:
            return self._drop(str(error))
        except PageError as error:
            # On a share that is gone every picture is missing.
            self._store.library.check()
            raise _GiveUpError(error.kind, str(error)) from error
        except (OSError, StorageError, RedisError, ProviderError, StagePausedError, SettingsError, _NotReadyError):
            raise
        except PageOutputError as error:
            self._store.library.check()
            if not ready(self._store, self._message.ref, {self._page}):
                raise _NotReadyError(str(error)) from error
            return self._try_again(UPSTREAM, str(error))
        except Exception as error:  # noqa: BLE001  # whatever a stage raises is that page's trouble, not ours
            self._store.library.check()
            return self._try_again(*self._kind_and_message(error))
        seconds = round(time.monotonic() - started, 3)
        self._hand_over(self._completion(sha256, made_from.digest(), output.doubtful, seconds))
        self._note_completion(seconds, output.doubtful)
        return Outcome.COMPLETE

    def _make(self) -> tuple[PageOutput, MadeFrom]:
        """Return the page's output, with what it was made from.

        Raises:
            _NotReadyError: that was replaced meanwhile: neither the output nor an error is about what is there now.
        """
        inputs = self._inputs()
        made_from = inputs.made_from()
        try:
            output = clean_model(inputs.stage.run(self._page, inputs))
        except PageError:
            self._check_unchanged(made_from)
            raise
        self._check_unchanged(made_from)
        return output.model_copy(update={"made_from": made_from}), made_from

    def _check_unchanged(self, made_from: MadeFrom) -> None:
        if self._inputs().made_from().inputs != made_from.inputs:
            raise _NotReadyError("what the page is made from was replaced meanwhile")

    def _inputs(self) -> ScanInputs:
        message = self._message
        return ScanInputs(self._store, self._calls, message.ref, self._page, self._claim.is_ours)

    def _note_completion(self, seconds: float, doubtful: tuple[Doubt, ...]) -> None:
        self._log.info("page complete", seconds=seconds, attempt=self._claim.attempt)
        for doubt in doubtful:
            self._log.warning("page doubtful", kind=doubt.kind, reason=doubt.message)

    def _drop(self, why: str) -> Outcome:
        """Leave the page to the worker that has it by now."""
        self._log.warning(why)
        metrics().claim(self._stage.name, "lost")
        self._tell(why)
        return Outcome.HELD

    def _kind_and_message(self, error: Exception) -> tuple[str, str]:
        """Why an attempt came to nothing."""
        match error:
            case AnswerRefusedError():
                return error.kind, str(error)
            case SoftTimeLimitExceeded():
                return "timeout", f"it took more than {self._soft_seconds} s"
            case MemoryError():
                return "memory", f"it took more than {self._store.settings.page_megabytes} MB"
            case _:
                return "error", f"{type(error).__name__}: {error}"

    def _try_again(self, kind: str, message: str) -> Outcome:
        if self._claim.attempt >= self._store.settings.max_attempts:
            raise _GiveUpError(kind, message)
        self._log.warning("attempt failed", error=message, kind=kind, attempt=self._claim.attempt)
        self._tell(f"{kind}, attempt {self._claim.attempt}: {message}")
        self._claim.release()
        scan_id, stage = self._message.scan_id, self._message.stage
        # A stage that was cancelled meanwhile wants it no more. If the broker fails, the reconciler enqueues it.
        if self._store.open_stages.is_open(StageRef(scan_id, stage)):
            with suppress(RedisError):
                self._queues.queue(StageRef(scan_id, stage)).put_again(self._page)
        return Outcome.TRY_AGAIN

    def _quarantine(self, reason: _GiveUpError) -> Outcome:
        # A page that never got to its attempt was not tried once more.
        attempts = min(self._claim.attempt, self._store.settings.max_attempts)
        failed = FailedPage(
            page=self._page,
            kind=reason.kind,
            message=in_one_line(str(reason)),
            attempts=attempts,
            worker=process_name(),
            ledger_micro=whole_micro(self._spent()),
        )
        self._hand_over(failed)
        metrics().quarantined(self._stage.name, failed.kind)
        self._log.error("page quarantined", error=failed.message, kind=reason.kind, attempts=attempts)
        self._tell(f"{reason.kind}, attempts {attempts}: {failed.message}")
        return Outcome.QUARANTINED

    def _pause(self, reason: StagePausedError) -> Outcome:
        with suppress(RedisError):
            self._claim.uncount_attempt()
        self._hand_over(
            Pause(page=self._page, reason=str(reason), worker=process_name(), budget_usd=reason.budget_usd)
        )
        self._log.error("stage paused", error=str(reason))
        self._tell(str(reason))
        return Outcome.PAUSED

    def _completion(
        self, sha256: str, made_from: str, doubtful: tuple[Doubt, ...], seconds: float | None = None
    ) -> Completion:
        spent = self._spent()
        # A page of a stage that pays for nothing has cost nothing; of one done by somebody else we do not know.
        unpaid = None if seconds is None else 0.0
        return Completion(
            page=self._page,
            sha256=sha256,
            schema_version=self._stage.version,
            seconds=seconds,
            cost_usd=unpaid if spent is None else spent.usd,
            attempts=self._claim.attempt,
            worker=process_name(),
            made_from=made_from,
            ledger_micro=whole_micro(spent),
            doubtful=doubtful,
        )

    def _spent(self) -> Money | None:
        return self._store.spent_on(self._message.ref, self._page)

    def _hand_over(self, entry: Entry) -> None:
        inbox = self._queues.inbox(self._message.ref)
        self._claim.hand_over(entry, inbox, self._message.run or "")

"""Process one page: claim it, check for an output, run the stage, save, hand over.

The order makes it safe (see "How a page becomes complete" in `docs/design.md`). A page that cannot be finished is
quarantined with its reason, put back in the queue, or left to the reconciler.
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
from checkpointing.run_ids import trace_id_of
from worker.billing.model_calls import ModelCalls
from worker.llm.errors import AnswerRefusedError, ClaimLostError, ProviderError
from worker.pipeline.cpu_clock import cpu_clock
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
    """The page is to be quarantined."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _NotReadyError(Exception):
    """An input of the page is being made again."""


def process_page(
    store: BookStore,
    queues: QueueClient,
    calls: ModelCalls,
    message: PageMessage,
    report: Callable[[str], None] = lambda _reason: None,
) -> Outcome:
    """Process one page, unless it is complete or another worker holds it.

    `report` is called with the reason if the page did not become complete.

    Raises:
        UnknownNameError: there is no such stage, scan or page. Nothing was touched.
        InputError: the scan's metadata is broken. Nothing was touched.
        StorageError: the storage cannot be read; the reconciler enqueues the page again.
        RedisError: the broker failed; the reconciler enqueues the page again.
    """
    started = time.monotonic()
    outcome = _process(store, queues, calls, message, report)
    metrics().page(message.stage, outcome.value, time.monotonic() - started)
    return outcome


def _process(
    store: BookStore, queues: QueueClient, calls: ModelCalls, message: PageMessage, report: Callable[[str], None]
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
            report("another worker holds this page")
            span.set_attributes(tracing.named(outcome=Outcome.HELD.value))
            return Outcome.HELD
        outcome = _Attempt(store, queues, calls, message, claim, report).run()
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
        report: Callable[[str], None],
    ) -> None:
        self._store = store
        self._queues = queues
        self._calls = calls
        self._report = report
        self._message = message
        self._page = message.page
        self._claim = claim
        self._stage = store.stages.get(message.stage)
        self._soft_seconds = store.settings.soft_seconds(message.stage)
        self._outputs: OutputFolder = store.outputs(message.ref)
        self._log = log.bind(scan_id=message.scan_id, stage=message.stage, page=message.page)

    def run(self) -> Outcome:
        try:
            return self._hand_over_what_is_there() or self._hand_on_if_lacking() or self._work()
        except _GiveUpError as reason:
            return self._quarantine(reason)
        except StagePausedError as reason:
            return self._pause(reason)
        except SettingsError as error:
            # The engine or language of the book is not installed here: no attempt on this worker would succeed.
            return self._pause(StagePausedError(f"a worker lacks what this book needs: {error}"))
        except (OSError, StorageError, RedisError, ProviderError, _NotReadyError) as error:
            with suppress(RedisError):
                self._claim.uncount_attempt()
            self._log.warning("waits", error=str(error))
            self._report(str(error))
            return Outcome.WAITS

    def _hand_over_what_is_there(self) -> Outcome | None:
        verdict = self._outputs.check(self._page)
        if verdict.sha256 is None or not verdict.valid:
            return None
        # The worker that saved the file may have died before the directory entry was on disk.
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
            with cpu_clock() as read_clock:
                output, made_from = self._make()
                cpu_seconds = read_clock()
            if not self._claim.is_ours():
                return self._drop("claim lost, result dropped")
            # After this claim ran out, another worker may have claimed the page, completed it and released it.
            if (finished := self._hand_over_what_is_there()) is not None:
                return finished
            sha256 = self._outputs.save(self._page, output)
        except ClaimLostError as error:
            return self._drop(str(error))
        except PageError as error:
            # If the share is not mounted, every image seems to be missing.
            self._store.library.check()
            raise _GiveUpError(error.kind, str(error)) from error
        except (OSError, StorageError, RedisError, ProviderError, StagePausedError, SettingsError, _NotReadyError):
            raise
        except PageOutputError as error:
            self._store.library.check()
            if not ready(self._store, self._message.ref, {self._page}):
                raise _NotReadyError(str(error)) from error
            return self._try_again(UPSTREAM, str(error))
        except Exception as error:  # noqa: BLE001  # an error of a stage fails that page, not the worker
            self._store.library.check()
            return self._try_again(*self._kind_and_message(error))
        seconds = round(time.monotonic() - started, 3)
        completion = self._completion(sha256, made_from.digest(), output.doubtful, seconds)
        self._hand_over(completion.model_copy(update={"cpu_seconds": cpu_seconds}))
        self._note_completion(seconds, output.doubtful)
        return Outcome.COMPLETE

    def _hand_on_if_lacking(self) -> Outcome | None:
        """Leave a page that this worker cannot read to others: it came before the profile of the scan changed."""
        lacks = self._store.lacking_for(self._message.ref)
        if not lacks:
            return None
        self._log.info("page handed on", reason=lacks)
        self._report(lacks)
        self._claim.uncount_attempt()
        self._claim.release()
        if self._store.open_stages.is_open(self._message.ref):
            self._queues.queue(self._message.ref).hand_on(self._page)
        return Outcome.HANDED_ON

    def _make(self) -> tuple[PageOutput, MadeFrom]:
        """Return the page's output, with the inputs it was made from.

        Raises:
            _NotReadyError: an input was replaced meanwhile, so neither the output nor an error applies any more.
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
            raise _NotReadyError("an input of the page was replaced meanwhile")

    def _inputs(self) -> ScanInputs:
        message = self._message
        return ScanInputs(self._store, self._calls, message.ref, self._page, self._claim.is_ours)

    def _note_completion(self, seconds: float, doubtful: tuple[Doubt, ...]) -> None:
        self._log.info("page complete", seconds=seconds, attempt=self._claim.attempt)
        for doubt in doubtful:
            self._log.warning("page doubtful", kind=doubt.kind, reason=doubt.message)

    def _drop(self, why: str) -> Outcome:
        """Leave the page to the worker that holds it now."""
        self._log.warning(why)
        metrics().claim(self._stage.name, "lost")
        self._report(why)
        return Outcome.HELD

    def _kind_and_message(self, error: Exception) -> tuple[str, str]:
        """Return the kind and the message of a failed attempt."""
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
        self._report(f"{kind}, attempt {self._claim.attempt}: {message}")
        self._claim.release()
        # Not if the stage was cancelled meanwhile. If the broker fails, the reconciler enqueues the page.
        if self._store.open_stages.is_open(self._message.ref):
            with suppress(RedisError):
                self._queues.queue(self._message.ref).put_again(self._page)
        return Outcome.TRY_AGAIN

    def _quarantine(self, reason: _GiveUpError) -> Outcome:
        # An attempt over the limit was counted, but not made.
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
        self._report(f"{reason.kind}, attempts {attempts}: {failed.message}")
        return Outcome.QUARANTINED

    def _pause(self, reason: StagePausedError) -> Outcome:
        with suppress(RedisError):
            self._claim.uncount_attempt()
        self._hand_over(
            Pause(page=self._page, reason=str(reason), worker=process_name(), budget_usd=reason.budget_usd)
        )
        self._log.error("stage paused", error=str(reason))
        self._report(str(reason))
        return Outcome.PAUSED

    def _completion(
        self, sha256: str, made_from: str, doubtful: tuple[Doubt, ...], seconds: float | None = None
    ) -> Completion:
        spent = self._spent()
        # A page of a stage without paid calls costs nothing; the cost of an adopted output is unknown.
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

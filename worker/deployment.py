"""Where the parts meet: the files, the broker's client and the stages of one deployment, made from its settings.

Worker, reconciler and producer all get what they need here, so that each part can be made with arguments alone.
What a part needs is imported when that part is made: a command that reads files loads no client of the broker or a
model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache, cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

from checkpointing.budget import read_budget
from checkpointing.errors import StorageError
from checkpointing.file import CheckpointFile
from checkpointing.ledger import Ledger
from checkpointing.money import Money
from checkpointing.outputs import OutputFolder, OutputSchema
from checkpointing.refs import StageRef
from checkpointing.storage_errors import storage_error
from worker.config.redis_url import socket_options_of
from worker.config.settings import Settings
from worker.keys import Keys
from worker.pages.scan import ForeignScanError, ScanFolder, ScanMetadata
from worker.pipeline.assembly import assemble
from worker.pipeline.outage_notes import OutageNotes
from worker.queue.broker_errors import broker_calls
from worker.stages.base import Stage
from worker.stages.registry import make_stage
from worker.storage.open_stages import OpenStages
from worker.storage.root_marker import library_at

if TYPE_CHECKING:
    from redis import Redis

    from checkpointing.coordinator import Coordinator
    from checkpointing.inbox import Inbox
    from worker.billing.learned_costs import LearnedCosts
    from worker.billing.meter import Meter
    from worker.billing.model_endpoint import ModelEndpoint
    from worker.billing.paid_calls import PaidCalls
    from worker.llm.circuit_breaker import Breaker
    from worker.queue.claims import Claims
    from worker.queue.dispatch import Dispatch
    from worker.queue.page_queue import PageQueue

SOCKET_TIMEOUT_SECONDS = 10.0
# How many scans a process remembers things about; and how many checkpoints, which may be large.
_KNOWN_SCANS = 64
_KNOWN_CHECKPOINTS = 8
# Engines of books with a profile of their own, beside that of the settings; each may hold half a gigabyte.
_KNOWN_ENGINES = 3
# A call that waits longer keeps a worker from other pages, and from stopping.
_MOST_PAUSE_SECONDS = 20.0
# From the end of a call to the note of what became of it.
_TRIAL_GRACE_SECONDS = 30.0
_MOST_TRIAL_SECONDS = 180.0


def socket_options(redis_url: str) -> dict[str, Any]:
    """What every connection to the broker is made with, ours and Celery's.

    Without a timeout and these checks workers go deaf after a restart of Redis (celery #7800).
    """
    options: dict[str, Any] = {"socket_timeout": SOCKET_TIMEOUT_SECONDS, "health_check_interval": 15}
    if not redis_url.startswith("unix:"):
        options |= {"socket_connect_timeout": SOCKET_TIMEOUT_SECONDS, "socket_keepalive": True}
    # Celery's client does not read them from the address.
    return options | socket_options_of(redis_url)


def connect(settings: Settings, *, patient: bool = True) -> Redis:
    """A client of the broker. Says nothing yet: the first command connects.

    Args:
        settings: say where it is.
        patient: whether to ask a server again that takes the connection and then says nothing.
    """
    from redis import Redis
    from redis.backoff import ExponentialBackoff
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import TimeoutError as RedisTimeoutError
    from redis.retry import Retry

    from worker.queue.broker import tls_options

    again = (RedisConnectionError, RedisTimeoutError) if patient else (RedisConnectionError,)
    client: Redis = Redis.from_url(
        settings.redis_url,
        **socket_options(settings.redis_url),
        **tls_options(settings.redis_url),
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), retries=3, supported_errors=again),
        retry_on_error=list(again),
    )
    return client


class Deployment:
    """The parts of one deployment.

    Args:
        settings: what the deployment decides.
        app: the Celery application that asks workers; None for one after the settings, made when it is needed.
        redis: client of the broker; default one after the settings.
        take_in: makes a scan of a folder that another program left; default: that is an error.
    """

    def __init__(
        self,
        settings: Settings,
        app: Any = None,
        redis: Redis | None = None,
        take_in: Callable[[ScanFolder], ScanMetadata] | None = None,
    ) -> None:
        self.settings = settings
        self.root = settings.root
        self.keys = Keys(settings.key_prefix)
        self.library = library_at(settings.root)
        # Those that were read, so that one whose file vanishes does not count as none.
        self._budgets: dict[str, Decimal] = {}
        self.open_stages = OpenStages(settings.root, self.library.check_to_write)
        self.troubles = OutageNotes(settings.root, self.library.check_to_write)
        self._given_app = app
        self._given_redis = redis
        self._take_in = take_in
        # Made once each: a stage holds its engine, a checkpoint file remembers what it last read.
        self.stage = cache(self._make_stage)
        self._stage_with = lru_cache(_KNOWN_ENGINES)(self._make_stage_with)
        self.dispatch = cache(self._make_dispatch)
        self._model_endpoint = cache(self._make_model_endpoint)
        # What all workers know of the calls of a model that came to nothing.
        self.breaker = cache(self._make_breaker)
        self.checkpoint_file = lru_cache(_KNOWN_CHECKPOINTS)(self._make_checkpoint_file)
        self.outputs = lru_cache(_KNOWN_SCANS)(self._make_outputs)
        self.inbox = lru_cache(_KNOWN_SCANS)(self._make_inbox)
        self._metadata = lru_cache(_KNOWN_SCANS)(self._read_metadata)

    @cached_property
    def redis(self) -> Redis:
        """The client of the broker."""
        return self._given_redis or connect(self.settings)

    @cached_property
    def _app(self) -> Any:
        from worker.app import make_app

        return self._given_app or make_app(self.settings)

    def close(self) -> None:
        """Close the connections to the broker, if there are any. Whatever is said afterwards opens them again."""
        if "redis" in vars(self):
            self.redis.close()

    @property
    def provider(self) -> str:
        """Host of the server of language models; empty where none is set."""
        return self.settings.provider

    @cached_property
    def claims(self) -> Claims:
        """The claims of this process."""
        from worker.queue.claims import Claims

        settings = self.settings
        return Claims(self.redis, self.keys, settings.claim_seconds, self.dispatch, settings.hard_seconds)

    def scan(self, scan_id: str) -> ScanFolder:
        """The folder of a scan."""
        return ScanFolder(self.root, scan_id)

    def metadata(self, scan_id: str) -> ScanMetadata:
        """What a scan is.

        Raises:
            StorageError: the library is not there: a scan on a share that is not mounted is not unknown.
            UnknownNameError: there is no such scan.
            InputError: its metadata is broken.
        """
        self.library.check()
        try:
            stat = self.scan(scan_id).record_path.stat()
        except OSError:
            # Says what is wrong.
            return self._read_metadata(scan_id)
        return self._metadata(scan_id, (stat.st_ino, stat.st_size, stat.st_mtime_ns))

    def settings_for(self, metadata: ScanMetadata) -> Settings:
        """The settings by which a book is read: these, with what its profile says in their place."""
        return self.settings.with_profile(metadata.profile)

    def stage_for(self, metadata: ScanMetadata, stage_name: str) -> Stage:
        """A stage as a book's profile has it: with its engine and language.

        Raises:
            UnknownNameError: there is no such stage.
            SettingsError: there is no such engine.
        """
        stage = self.stage(stage_name)
        own, wanted = self.settings, self.settings_for(metadata)
        # Only a stage that reads the source has an engine.
        if stage.depends_on or (wanted.ocr_engine, wanted.ocr_lang) == (own.ocr_engine, own.ocr_lang):
            return stage
        return self._stage_with(stage_name, wanted.ocr_engine, wanted.ocr_lang)

    def coordinator(self, ref: StageRef) -> Coordinator:
        """The coordinator of a stage.

        Raises:
            UnknownNameError: there is no such stage or scan.
        """
        from checkpointing.coordinator import Coordinator

        file, outputs = self.checkpoint_file(ref), self.outputs(ref)
        stage = self.stage(ref.stage)
        finish = partial(assemble, stage, outputs)
        return Coordinator(self.redis, self.keys, file, outputs, self.metadata(ref.scan_id).total_pages, finish)

    def model_endpoint(self, model: str) -> ModelEndpoint:
        """Return what this process calls a model with; made once."""
        return self._model_endpoint(model)

    def paid_calls(self, ref: StageRef) -> PaidCalls:
        """The calls of a stage's model on behalf of a scan.

        Raises:
            ProviderRefusesError: the stage is not declared to ask a model, or this worker does not know which:
                a setting is missing.
        """
        from worker.billing.paid_calls import PaidCalls
        from worker.billing.stage_account import StageAccount
        from worker.llm.errors import ProviderRefusesError

        if not self.stage(ref.stage).uses_model:
            raise ProviderRefusesError(
                f"the stage {ref.stage} asks a model without being declared to, so its calls would not count: "
                "set `uses_model = True` in its class"
            )
        model = self.settings.model(ref.stage)
        missing = self.settings.missing_for(ref.stage)
        if missing:
            raise ProviderRefusesError(
                f"a worker cannot ask a model: set {' and '.join(missing)} there, and enqueue again"
            )
        account = StageAccount(
            ref.scan_id,
            ref.stage,
            self.model_endpoint(model),
            self.ledger(ref),
            self.meter(ref.scan_id),
            partial(self.refill, ref.scan_id),
            partial(self.budget, ref.scan_id),
        )
        return PaidCalls(account)

    def meter(self, scan_id: str) -> Meter:
        """What a scan has spent, as all workers see it."""
        from worker.billing.meter import Meter

        return Meter(self.redis, self.keys.meter(scan_id))

    def refill(self, scan_id: str) -> bool:
        """Fill the meter of a scan from its ledgers, unless it is filled; returns whether that was done here.

        Raises:
            OSError, StorageError: the storage failed, or is not there.
            RedisError: the broker failed.
        """
        from worker.billing.meter_refill import refill

        return refill(self.scan(scan_id).path, self.meter(scan_id), self.learned_costs, self.library.check)

    @cached_property
    def learned_costs(self) -> LearnedCosts:
        """What calls of models turned out to cost beyond their known prices."""
        from worker.billing.learned_costs import LearnedCosts

        return LearnedCosts(self.redis, self.keys.learned_costs)

    def budget(self, scan_id: str) -> Decimal | None:
        """What a scan may cost over all runs, in USD; None for no bound.

        Raises:
            StorageError: that cannot be read.
        """
        self.library.check()
        own = read_budget(self.scan(scan_id).path)
        if own is not None:
            self._budgets[scan_id] = own
        elif scan_id in self._budgets:
            raise StorageError(
                f"the budget of {scan_id} was ${self._budgets[scan_id]} and its file is gone, so nothing is spent; "
                "set it again with --budget"
            )
        return self.settings.budget_usd if own is None else own

    def spent_on(self, ref: StageRef, page: int) -> Money | None:
        """Return what a page has cost so far; None where the stage asks no model.

        Raises:
            OSError: the storage failed.
        """
        pays = self.stage(ref.stage).uses_model
        return self.ledger(ref).spent(page) if pays else None

    def take_back_planned(self, ref: StageRef, pages: Iterable[int]) -> None:
        """Take back the calls for pages of dead workers that were planned and not sent.

        Raises:
            OSError: the storage failed.
            RedisError: the broker failed.
        """
        from worker.billing.meter_refill import take_back_planned

        ledger = self.ledger(ref)
        # One look at the ledger's folder instead of one at each page: after a flush a whole book is lost.
        take_back_planned(ledger, self.meter(ref.scan_id), set(pages).intersection(ledger.pages()))

    def ledger(self, ref: StageRef) -> Ledger:
        """What a stage of a scan has paid for."""
        return Ledger(self.scan(ref.scan_id).path, ref.stage, self.library.check_to_write)

    def queue(self, ref: StageRef) -> PageQueue:
        """The queue of a stage, as one scan sees it."""
        from worker.queue.page_queue import PageQueue

        return PageQueue(self.redis, self.keys, ref, self.dispatch(ref.stage))

    def refuse_another_deployment(self) -> None:
        """Check that the workers at work on the storage root, if any, are those of this Redis and key prefix.

        Raises:
            InUseError: they are those of another deployment.
            StorageError: the storage failed.
        """
        from worker.storage.root_owner import refuse_another

        try:
            refuse_another(self.root, self.redis, self.keys.deployment)
        except OSError as error:
            raise storage_error(error, self.root) from error

    def count_workers(self) -> int:
        """How many workers answer within a second.

        Raises:
            BrokerError: the broker failed.
        """
        # A connection of its own: one that was cut in the pool would fail once more after Redis is back.
        with broker_calls(), self._app.connection_for_write() as connection:
            return len(self._app.control.ping(timeout=1.0, connection=connection))

    def active(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """What Celery's workers have in hand: of each that answers within a second its name and its tasks.

        Raises:
            BrokerError: the broker failed.
        """
        # The same.
        with broker_calls(), self._app.connection_for_write() as connection:
            replies = self._app.control.broadcast("active", reply=True, timeout=1.0, connection=connection)
        return [answer for reply in replies or [] for answer in reply.items()]

    def stop_running(self, ref: StageRef) -> int:
        """End the processes that work on pages of a stage; returns how many pages that were.

        Raises:
            BrokerError: the broker failed.
        """
        wanted = (ref.scan_id, ref.stage)
        tasks = [
            task["id"]
            for _, in_hand in self.active()
            for task in in_hand
            if (task["kwargs"].get("scan_id"), task["kwargs"].get("stage")) == wanted
        ]
        if tasks:
            with broker_calls():
                self._app.control.revoke(tasks, terminate=True)
        return len(tasks)

    def _read_metadata(self, scan_id: str, _version: object = None) -> ScanMetadata:
        scan = self.scan(scan_id)
        try:
            return scan.read_metadata()
        except ForeignScanError:
            if self._take_in is None:
                raise
            return self._take_in(scan)

    def _make_outputs(self, ref: StageRef) -> OutputFolder:
        stage = self.stage(ref.stage)
        return OutputFolder(
            self.scan(ref.scan_id).path / stage.output_dir,
            OutputSchema.of(stage.schema, stage.version),
            self.library.check_to_write,
        )

    def _make_inbox(self, ref: StageRef) -> Inbox:
        from checkpointing.inbox import Inbox

        return Inbox(self.redis, self.keys, ref)

    def _make_dispatch(self, stage_name: str) -> Dispatch:
        from worker.queue.dispatch import Dispatch

        return Dispatch(self.redis, self.keys, stage_name)

    def _make_model_endpoint(self, model: str) -> ModelEndpoint:
        from worker.billing.model_endpoint import ModelEndpoint
        from worker.billing.seen_answers import SeenAnswers
        from worker.llm.backoff import Backoff
        from worker.llm.client import ModelClient
        from worker.llm.local_servers import CallSlots, is_local
        from worker.llm.rate_limits import RateLimits

        settings = self.settings
        client = ModelClient(settings.llm_base_url, settings.llm_api_key.get_secret_value(), settings.call_seconds)
        limits = RateLimits(
            self.redis, self.keys.rates, settings.llm_requests_per_minute, settings.llm_tokens_per_minute
        )
        return ModelEndpoint(
            client,
            self.provider,
            model,
            settings.price_book(),
            limits,
            Backoff(settings.llm_tries, max_seconds=_MOST_PAUSE_SECONDS),
            self.learned_costs,
            SeenAnswers(self.redis, self.keys.answers()),
            self.breaker(model),
            slots=CallSlots(is_bounded=is_local(self.provider)),
        )

    def _make_breaker(self, model: str) -> Breaker:
        from worker.llm.circuit_breaker import Breaker

        # A worker that is killed at its trial keeps the others away for no longer, however slow the model is.
        trial_seconds = min(self.settings.call_seconds + _TRIAL_GRACE_SECONDS, _MOST_TRIAL_SECONDS)
        return Breaker(self.redis, self.keys.breaker(self.provider, model), trial_seconds)

    def _make_stage(self, name: str) -> Stage:
        return make_stage(name, self.settings)

    def _make_stage_with(self, name: str, engine: str, lang: str) -> Stage:
        return make_stage(name, self.settings.model_copy(update={"ocr_engine": engine, "ocr_lang": lang}))

    def _make_checkpoint_file(self, ref: StageRef) -> CheckpointFile:
        outputs = self.outputs(ref)
        return CheckpointFile(self.scan(ref.scan_id).path, ref.stage, outputs, self.library.check_to_write)

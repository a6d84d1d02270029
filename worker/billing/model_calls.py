"""What a deployment spends on models: endpoints, meters, budgets, and the paid calls of a stage.

What a part needs is imported when that part is made: commands that read files import no client of a model.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING

from checkpointing.budget import read_budget
from checkpointing.errors import StorageError

if TYPE_CHECKING:
    from checkpointing.refs import StageRef
    from worker.billing.learned_costs import LearnedCosts
    from worker.billing.meter import Meter
    from worker.billing.model_endpoint import ModelEndpoint
    from worker.billing.paid_calls import PaidCalls
    from worker.config.settings import Settings
    from worker.llm.circuit_breaker import Breaker
    from worker.queue.client import QueueClient
    from worker.storage.book_store import BookStore

# A call that waits longer keeps a worker from other pages, and from stopping.
_MAX_PAUSE_SECONDS = 20.0
# From the end of a call to the record of its result.
_TRIAL_GRACE_SECONDS = 30.0
_MAX_TRIAL_SECONDS = 180.0


class ModelCalls:
    """Asks models on behalf of scans, within their budgets."""

    def __init__(self, settings: Settings, store: BookStore, queues: QueueClient) -> None:
        self._settings = settings
        self._store = store
        self._queues = queues
        # Budgets that were read: a file that vanishes later must not count as no budget.
        self._budgets: dict[str, Decimal] = {}
        self.endpoint = cache(self._make_endpoint)
        self.breaker = cache(self._make_breaker)

    def paid_calls(self, ref: StageRef) -> PaidCalls:
        """Return the calls of a stage's model on behalf of a scan.

        Raises:
            ProviderRefusesError: the stage does not declare that it asks a model, or this worker does not know
                which one: a setting is missing.
        """
        from worker.billing.paid_calls import PaidCalls
        from worker.billing.stage_account import StageAccount
        from worker.llm.errors import ProviderRefusesError

        if not self._store.stages.get(ref.stage).uses_model:
            raise ProviderRefusesError(
                f"the stage {ref.stage} asks a model without being declared to, so its calls would not count: "
                "set `uses_model = True` in its class"
            )
        missing = self._settings.missing_for(ref.stage)
        if missing:
            raise ProviderRefusesError(
                f"a worker cannot ask a model: set {' and '.join(missing)} there, and enqueue again"
            )
        account = StageAccount(
            ref.scan_id,
            ref.stage,
            self.endpoint(self._settings.model(ref.stage)),
            self._store.ledger(ref),
            self.meter(ref.scan_id),
            partial(self.refill, ref.scan_id),
            partial(self.budget, ref.scan_id),
        )
        return PaidCalls(account)

    def meter(self, scan_id: str) -> Meter:
        """Return the meter of what a scan spends, shared by all workers."""
        from worker.billing.meter import Meter

        return Meter(self._queues.redis, self._queues.keys.meter(scan_id))

    def refill(self, scan_id: str) -> bool:
        """Fill the meter of a scan from its ledgers, unless it is filled; return whether that was done here."""
        from worker.billing.meter_refill import refill

        store = self._store
        return refill(store.scan(scan_id).path, self.meter(scan_id), self.learned_costs, store.library.check)

    @cached_property
    def learned_costs(self) -> LearnedCosts:
        """What calls of models turned out to cost beyond their known prices."""
        from worker.billing.learned_costs import LearnedCosts

        return LearnedCosts(self._queues.redis, self._queues.keys.learned_costs)

    def budget(self, scan_id: str) -> Decimal | None:
        """Return what a scan may cost over all runs, in USD; None for no limit.

        Raises:
            StorageError: the budget cannot be read.
        """
        self._store.library.check()
        own = read_budget(self._store.scan(scan_id).path)
        if own is not None:
            self._budgets[scan_id] = own
        elif scan_id in self._budgets:
            raise StorageError(
                f"the file of the budget of {scan_id} (${self._budgets[scan_id]}) is gone, so no paid call is made",
                hint="set it again with --budget",
            )
        return self._settings.budget_usd if own is None else own

    def take_back_planned(self, ref: StageRef, pages: Iterable[int]) -> None:
        """Take back the calls for pages of dead workers that were planned and not sent.

        Raises:
            OSError: the storage failed.
            RedisError: the broker failed.
        """
        from worker.billing.meter_refill import take_back_planned

        ledger = self._store.ledger(ref)
        # One look at the ledger's folder instead of one at each page: after a flush a whole book is lost.
        take_back_planned(ledger, self.meter(ref.scan_id), set(pages).intersection(ledger.pages()))

    def _make_endpoint(self, model: str) -> ModelEndpoint:
        from worker.billing.model_endpoint import ModelEndpoint
        from worker.billing.seen_answers import SeenAnswers
        from worker.llm.backoff import Backoff
        from worker.llm.client import ModelClient
        from worker.llm.local_servers import CallSlots, is_local
        from worker.llm.rate_limits import RateLimits

        settings, redis, keys = self._settings, self._queues.redis, self._queues.keys
        return ModelEndpoint(
            ModelClient(settings.llm_base_url, settings.llm_api_key.get_secret_value(), settings.call_seconds),
            settings.provider,
            model,
            settings.price_book(),
            RateLimits(redis, keys.rates, settings.llm_requests_per_minute, settings.llm_tokens_per_minute),
            Backoff(settings.llm_tries, max_seconds=_MAX_PAUSE_SECONDS),
            self.learned_costs,
            SeenAnswers(redis, keys.answers()),
            self.breaker(model),
            slots=CallSlots(is_bounded=is_local(settings.provider)),
        )

    def _make_breaker(self, model: str) -> Breaker:
        from worker.llm.circuit_breaker import Breaker

        # A worker that is killed in its trial call blocks the other workers no longer than this, however slow the
        # model is.
        trial_seconds = min(self._settings.call_seconds + _TRIAL_GRACE_SECONDS, _MAX_TRIAL_SECONDS)
        return Breaker(self._queues.redis, self._queues.keys.breaker(self._settings.provider, model), trial_seconds)

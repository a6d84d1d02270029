"""The money side of planning: model and price, budget, and a checkpoint's costs by the ledger."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from checkpointing.budget import write_budget
from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import SettingsError
from checkpointing.refs import StageRef
from checkpointing.resume import Findings
from checkpointing.storage_errors import storage_errors
from worker.billing.model_calls import ModelCalls
from worker.config.settings import Settings
from worker.pipeline.provenance import made_from_of
from worker.preflight import check_models
from worker.storage.book_store import BookStore


def check_model_and_price(settings: Settings, stage: str, *, allow_unpriced: bool = False) -> None:
    """Check that the model of a stage is configured and that its price is known.

    Raises:
        SettingsError: a variable is not set, or no price is known.
    """
    check_models(settings, [stage])
    model = settings.model(stage)
    if model and not allow_unpriced and not settings.price_book().knows(model):
        raise SettingsError(
            f"the price of {model} is unknown",
            hint=f"set LEAFMARK_PRICES='{model}=IN/OUT' in USD per million tokens (0/0 for a server of your own), "
            "or use --allow-unpriced to count its calls as $0",
        )


def set_budget(store: BookStore, scan_id: str, budget_usd: Decimal | float | None) -> None:
    """Set the maximum cost of a scan over all stages and runs, in USD; None keeps the present one.

    Raises:
        UnknownNameError: there is no such scan.
        StorageError: the storage failed; the earlier budget holds.
    """
    if budget_usd is None:
        return
    store.metadata(scan_id)
    scan_dir = store.scan(scan_id).path
    with storage_errors(scan_dir):
        write_budget(scan_dir, Decimal(str(budget_usd)))


def count_books(store: BookStore, checkpoint: Checkpoint, findings: Findings) -> None:
    """Set the costs in a checkpoint by the ledger, and complete the records of adopted pages from their outputs.

    Raises:
        OSError: the storage failed.
    """
    ref = checkpoint.ref
    outputs = store.outputs(ref)
    pays = store.stages.get(ref.stage).uses_model
    if pays:
        checkpoint.note_ledger(store.ledger(ref).sums().spent)
    for page in findings.adopted:
        checkpoint.pages[page] = replace(
            checkpoint.pages[page],
            made_from=made_from_of(outputs, page),
            cost_usd=checkpoint.ledger_cost(page).usd if pays else None,
        )


def retire_answers(store: BookStore, ref: StageRef, pages: Iterable[int]) -> None:
    """Have the model asked again about pages that are processed again; what was paid stays counted.

    Raises:
        OSError: the storage failed.
    """
    if store.stages.get(ref.stage).uses_model:
        store.ledger(ref).retire(pages)


def recount(store: BookStore, calls: ModelCalls, ref: StageRef) -> None:
    """Count the ledgers of a scan into its meter again, with the calls in flight.

    Raises:
        OSError: the storage failed.
        RedisError: the broker failed.
    """
    if not store.stages.get(ref.stage).uses_model:
        return
    calls.meter(ref.scan_id).empty()
    calls.refill(ref.scan_id)

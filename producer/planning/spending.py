"""The money side of planning: model and price, budget, and a checkpoint's costs by the ledger."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from checkpointing.budget import write_budget
from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import SettingsError
from checkpointing.refs import StageRef
from checkpointing.resume import Findings
from checkpointing.storage_errors import storage_error
from worker.deployment import Deployment
from worker.pipeline.provenance import made_from_of
from worker.preflight import check_models


def check_model_and_price(deployment: Deployment, stage: str, *, allow_unpriced: bool = False) -> None:
    """Check that the model of a stage is configured and that its price is known.

    Raises:
        SettingsError: a variable is not set, or no price is known.
    """
    settings = deployment.settings
    check_models(settings, [stage])
    model = settings.model(stage)
    if model and not allow_unpriced and not settings.price_book().knows(model):
        raise SettingsError(
            f"the price of {model} is unknown",
            hint=f"set LEAFMARK_PRICES='{model}=IN/OUT' in USD per million tokens (0/0 for a server of your own), "
            "or use --allow-unpriced to count its calls as $0",
        )


def set_budget(deployment: Deployment, scan_id: str, budget_usd: Decimal | float | None) -> None:
    """Set the maximum cost of a scan over all stages and runs, in USD; None keeps the present one.

    Raises:
        UnknownNameError: there is no such scan.
        StorageError: the storage failed; the earlier budget holds.
    """
    if budget_usd is None:
        return
    deployment.store.metadata(scan_id)
    scan_dir = deployment.store.scan(scan_id).path
    try:
        write_budget(scan_dir, Decimal(str(budget_usd)))
    except OSError as error:
        raise storage_error(error, scan_dir) from error


def count_books(deployment: Deployment, checkpoint: Checkpoint, findings: Findings) -> None:
    """Set the costs in a checkpoint by the ledger, and complete the records of adopted pages from their outputs.

    Raises:
        OSError: the storage failed.
    """
    ref = checkpoint.ref
    outputs = deployment.store.outputs(ref)
    pays = deployment.store.stages.get(ref.stage).uses_model
    if pays:
        checkpoint.note_ledger(deployment.store.ledger(ref).sums().spent)
    for page in findings.adopted:
        checkpoint.pages[page] = replace(
            checkpoint.pages[page],
            made_from=made_from_of(outputs, page),
            cost_usd=checkpoint.ledger_cost(page).usd if pays else None,
        )


def retire_answers(deployment: Deployment, ref: StageRef, pages: Iterable[int]) -> None:
    """Have the model asked again about pages that are processed again; what was paid stays counted.

    Raises:
        OSError: the storage failed.
    """
    if deployment.store.stages.get(ref.stage).uses_model:
        deployment.store.ledger(ref).retire(pages)


def recount(deployment: Deployment, ref: StageRef) -> None:
    """Count the ledgers of a scan into its meter again, with the calls in flight.

    Raises:
        OSError: the storage failed.
        RedisError: the broker failed.
    """
    if not deployment.store.stages.get(ref.stage).uses_model:
        return
    deployment.calls.meter(ref.scan_id).empty()
    deployment.calls.refill(ref.scan_id)

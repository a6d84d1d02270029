"""What is looked after before a stage that costs money is enqueued: means, prices, budget, books."""

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


def insist_on_means(deployment: Deployment, stage: str, *, allow_unpriced: bool = False) -> None:
    """Insist that a stage can ask its model and that somebody knows what that costs.

    Raises:
        SettingsError: a variable is not set, or no price is known; names it.
    """
    settings = deployment.settings
    check_models(settings, [stage])
    model = settings.model(stage)
    if model and not allow_unpriced and not settings.price_book().knows(model):
        raise SettingsError(
            f"nobody knows what {model} costs; set LEAFMARK_PRICES='{model}=IN/OUT' in USD per million tokens "
            "(0/0 for a server of your own), or say --allow-unpriced and have its calls counted as $0"
        )


def set_budget(deployment: Deployment, scan_id: str, budget_usd: Decimal | None) -> None:
    """Say what a scan may cost over all stages and runs, in USD; None leaves it as it is.

    Raises:
        UnknownNameError: there is no such scan.
        StorageError: the storage failed; what was said before holds.
    """
    if budget_usd is None:
        return
    deployment.store.metadata(scan_id)
    scan_dir = deployment.store.scan(scan_id).path
    try:
        write_budget(scan_dir, budget_usd)
    except OSError as error:
        raise storage_error(error, scan_dir) from error


def count_books(deployment: Deployment, checkpoint: Checkpoint, findings: Findings) -> None:
    """Bring a checkpoint's money in line with the ledger, and its adopted pages with what they say of themselves.

    Raises:
        OSError: the storage failed.
    """
    scan_id, stage = checkpoint.scan_id, checkpoint.stage
    outputs = deployment.store.outputs(StageRef(scan_id, stage))
    pays = deployment.store.stages.get(stage).uses_model
    if pays:
        checkpoint.note_ledger(deployment.store.ledger(StageRef(scan_id, stage)).sums().spent)
    for page in findings.adopted:
        checkpoint.pages[page] = replace(
            checkpoint.pages[page],
            made_from=made_from_of(outputs, page),
            cost_usd=checkpoint.ledger_cost(page).usd if pays else None,
        )


def retire_answers(deployment: Deployment, ref: StageRef, pages: Iterable[int]) -> None:
    """See that pages which are to be done again are asked about again; what was paid stays counted.

    Raises:
        OSError: the storage failed.
    """
    if deployment.store.stages.get(ref.stage).uses_model:
        deployment.store.ledger(ref).retire(pages)


def recount(deployment: Deployment, ref: StageRef) -> None:
    """Have the meter of a scan count its ledgers anew, calls under way included.

    Raises:
        OSError: the storage failed.
        RedisError: the broker failed.
    """
    if not deployment.store.stages.get(ref.stage).uses_model:
        return
    deployment.calls.meter(ref.scan_id).empty()
    deployment.calls.refill(ref.scan_id)

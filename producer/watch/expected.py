"""Expected cost of stages that ask a model, computed rarely: `producer.planning.cost_estimate` opens ledgers."""

from collections.abc import Mapping
from contextlib import suppress

from checkpointing.errors import LeafmarkError
from producer.watch.page_states import PageState
from producer.watch.workers import StageKey
from worker.deployment import Deployment


def usd_a_page(deployment: Deployment, states: Mapping[StageKey, bytes]) -> dict[StageKey, float]:
    """What a page that is still to come is expected to cost, in USD, of each stage of which that can be said.

    Args:
        deployment: the deployment. Its settings name the models.
        states: a `PageState` for each page.
    """
    from producer.planning.cost_estimate import forecast  # noqa: PLC0415  # stages that ask no model have none

    found: dict[StageKey, float] = {}
    for (scan_id, stage), pages in states.items():
        left = [
            page for page, state in enumerate(pages, start=1) if state in {PageState.WAITING, PageState.IN_FLIGHT}
        ]
        # A stage whose ledger cannot be read has no forecast; that is no reason to have none of the others.
        with suppress(LeafmarkError, OSError):
            made = forecast(deployment, scan_id, stage, left) if left else None
            if made is not None and made.expected_usd is not None:
                found[scan_id, stage] = made.expected_usd / len(left)
    return found

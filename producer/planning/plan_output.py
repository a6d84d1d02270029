"""What the commands print about plans, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rich.console import Console

from checkpointing.errors import LeafmarkError
from checkpointing.money import dollars
from checkpointing.plurals import counted
from producer.page_ranges import show_pages
from producer.planning.request import StaleAre
from producer.status.doubtful_pages import doubt_lines

if TYPE_CHECKING:
    from producer.planning.cost_estimate import Forecast
    from producer.planning.request import Plan
    from producer.planning.stale import Why

_MAX_REASONS = 20
_STALE_THEN = {
    StaleAre.SHOWN: "--refresh-stale processes them again, --accept-stale keeps them",
    StaleAre.REFRESHED: "they are processed again",
    StaleAre.ACCEPTED: "they are kept and count as current",
}


def print_plan(console: Console, plan: Plan) -> None:
    """Print which pages are skipped, which are processed again and why, and which are in quarantine."""
    if plan.set_aside:
        console.print(f"The checkpoint was unusable; it was set aside ({plan.set_aside}) and rebuilt.")
    for page, verdict in list(plan.requeued.items())[:_MAX_REASONS]:
        console.print(f"Page {page} is processed again: {verdict.problem} ({verdict.detail})")
    if len(plan.requeued) > _MAX_REASONS:
        more = counted(len(plan.requeued) - _MAX_REASONS, "more page is", "more pages are")
        console.print(f"... and {more} processed again")
    for failed in plan.quarantined[:_MAX_REASONS]:
        console.print(f"Page {failed.page} is in quarantine: {failed.message}")
    if plan.quarantined:
        console.print(f"`producer retry {plan.scan_id} --stage {plan.stage}` gives quarantined pages new attempts.")
    for line in doubt_lines(plan.doubtful):
        console.print(f"{plan.ref}: {line}")
    if plan.stale:
        console.print(stale_line(plan.stale, plan.refresh_cost_usd, _STALE_THEN[plan.stale_are]))
    if plan.skipped and plan.remaining:
        saved = f", {dollars(plan.cost_saved_usd)} saved" if plan.cost_saved_usd else ""
        console.print(f"Resuming: {plan.skipped} of {counted(len(plan.wanted), 'page')} complete{saved}")


def plan_result(plan: Plan, *, dry_run: bool) -> str:
    """Return one line with the number of pages that were enqueued, or why none were."""
    if not plan.remaining and not plan.quarantined:
        pages = "the page is" if plan.skipped == 1 else f"all {plan.skipped} pages are"
        return f"{plan.ref}: {pages} complete, nothing to do"
    if not plan.remaining:
        quarantined = counted(len(plan.quarantined), "page is", "pages are")
        return f"{plan.ref}: nothing to enqueue, {quarantined} in quarantine"
    pages = show_pages(plan.remaining)
    if dry_run:
        return f"{plan.ref}: would enqueue {counted(len(plan.remaining), 'page')} ({pages})"
    return f"{plan.ref}: {enqueued_words(plan)}"


def plan_json(plan: Plan, *, dry_run: bool) -> dict[str, Any]:
    """Return the form that `producer enqueue --json` prints."""
    return {
        "scan_id": plan.scan_id,
        "stage": plan.stage,
        "dry_run": dry_run,
        "status": plan.status.value,
        "total_pages": plan.total_pages,
        "wanted": len(plan.wanted),
        "completed": plan.completed,
        "skipped": plan.skipped,
        "remaining": len(plan.remaining),
        "remaining_pages": plan.remaining,
        "enqueued": len(plan.enqueued),
        "enqueued_pages": plan.enqueued,
        "waiting_pages": plan.waiting,
        "requeued": [
            {"page": page, "reason": str(verdict.problem), "detail": verdict.detail}
            for page, verdict in plan.requeued.items()
        ],
        "quarantined": [failed.model_dump(mode="json") for failed in plan.quarantined],
        "doubtful": [doubtful.model_dump(mode="json") for doubtful in plan.doubtful],
        "stale": [{"page": page, "reason": why.words()} for page, why in plan.stale.items()],
        "refresh_cost_usd": plan.refresh_cost_usd,
        "cost_saved_usd": plan.cost_saved_usd,
        "total_cost_usd": plan.total_cost_usd,
        "set_aside": plan.set_aside,
    }


def plans_json(
    plans: list[Plan],
    *,
    dry_run: bool,
    forecasts: Mapping[str, Forecast] = MappingProxyType({}),
    blocked: Sequence[LeafmarkError] = (),
) -> dict[str, Any]:
    """Return the form of one stage; of several stages, a form with all of them under `stages`.

    `blocked` are the errors that keep the plans of a dry run from being carried out.
    """
    forms = [
        plan_json(each, dry_run=dry_run)
        | ({"forecast": forecasts[each.stage].as_json()} if each.stage in forecasts else {})
        for each in plans
    ]
    form = forms[0] if len(forms) == 1 else {"scan_id": plans[0].scan_id, "stages": forms}
    if dry_run:
        form["blocked"] = [{"exit_code": error.exit_code, "error": str(error)} for error in blocked]
    return form


def stale_line(stale: Mapping[int, Why], cost_usd: float, then: str) -> str:
    """Return the stale pages by their reasons, what they have cost in USD, and what happens to them."""
    by_reason: dict[str, list[int]] = {}
    for page, why in stale.items():
        by_reason.setdefault(why.words("their"), []).append(page)
    reasons = ", ".join(f"{reason} ({show_pages(sorted(pages))})" for reason, pages in by_reason.items())
    parts = [f"{counted(len(stale), 'page is', 'pages are')} stale: {reasons}"]
    if cost_usd:
        parts.append(f"they have cost {dollars(cost_usd)} so far")
    return "; ".join([*parts, then])


def enqueued_words(plan: Plan) -> str:
    """Return how many pages were enqueued, are under way already, or wait for an earlier stage."""
    under_way = len(plan.remaining) - len(plan.enqueued) - len(plan.waiting)
    parts = [f"{counted(len(plan.enqueued), 'page')} enqueued"]
    if under_way:
        parts.append(f"{under_way} under way already")
    if plan.waiting:
        parts.append(f"{len(plan.waiting)} follow as an earlier stage completes them")
    return ", ".join(parts)

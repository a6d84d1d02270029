"""What the commands say, in words and in JSON."""

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
    # What one command shows, the others need not load.
    from producer.planning.cost_estimate import Forecast
    from producer.planning.request import Plan
    from producer.planning.stale import Why
    from producer.verify.verify_scan import Report

_MOST_REASONS = 20
_STALE_THEN = {
    StaleAre.SHOWN: "--refresh-stale does them again, --accept-stale keeps them",
    StaleAre.REFRESHED: "they are done again",
    StaleAre.ACCEPTED: "they are kept, and are not stale from now on",
}


def say_plan(console: Console, plan: Plan) -> None:
    """What was found at resume: what is skipped, what is done again and why, what was given up on."""
    if plan.set_aside:
        console.print(f"The checkpoint could not be used; it was set aside ({plan.set_aside}) and rebuilt.")
    for page, verdict in list(plan.requeued.items())[:_MOST_REASONS]:
        console.print(f"Page {page} is done again: {verdict.problem} ({verdict.detail})")
    if len(plan.requeued) > _MOST_REASONS:
        console.print(
            f"... and {counted(len(plan.requeued) - _MOST_REASONS, 'more page is', 'more pages are')} done again"
        )
    for failed in plan.quarantined[:_MOST_REASONS]:
        console.print(f"Page {failed.page} is in quarantine: {failed.message}")
    if plan.quarantined:
        console.print(f"`producer retry {plan.scan_id} --stage {plan.stage}` tries quarantined pages again.")
    for line in doubt_lines(plan.doubtful):
        console.print(f"{plan.scan_id}/{plan.stage}: {line}")
    if plan.stale:
        console.print(_stale_line(plan.stale, plan.refresh_cost_usd, _STALE_THEN[plan.stale_are]))
    if plan.skipped and plan.remaining:
        saved = f", {dollars(plan.cost_saved_usd)} saved" if plan.cost_saved_usd else ""
        console.print(f"Resuming: {plan.skipped} of {counted(len(plan.wanted), 'page')} complete{saved}")


def plan_result(plan: Plan, *, dry_run: bool) -> str:
    """What came of it, in one line."""
    if not plan.remaining and not plan.quarantined:
        return f"{plan.scan_id}/{plan.stage}: {_all(plan.skipped)} complete, nothing to do"
    if not plan.remaining:
        quarantined = counted(len(plan.quarantined), "page is", "pages are")
        return f"{plan.scan_id}/{plan.stage}: nothing to enqueue, {quarantined} in quarantine"
    pages = show_pages(plan.remaining)
    if dry_run:
        return f"{plan.scan_id}/{plan.stage}: would enqueue {counted(len(plan.remaining), 'page')} ({pages})"
    return f"{plan.scan_id}/{plan.stage}: {_enqueued(plan)}"


def _all(pages: int) -> str:
    return "the page is" if pages == 1 else f"all {pages} pages are"


def plan_json(plan: Plan, *, dry_run: bool) -> dict[str, Any]:
    """The form that `producer enqueue --json` prints."""
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
    """The form for one stage; for several, all of theirs, in pipeline order, under `stages`.

    Args:
        plans: one a stage.
        dry_run: whether nothing was done.
        forecasts: what stages that ask a model will cost, by stage.
        blocked: what keeps a dry run's plan from being carried out.
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


def verify_result(found: Report, left: Report, plans: list[Plan]) -> list[str]:
    """What came of a check, and of the repair after it. Stale pages come last: they are no differences."""
    scan_id = found.metadata.scan_id
    if not found.stages and not found.source:
        return [f"{scan_id}: the source is in order, no stage has begun"]
    lines = [
        f"{scan_id}/{stage.stage}: {counted(stage.pages_checked, 'page')} checked, all in order"
        for stage in found.stages
        if not stage.findings
    ]
    still = set(left.findings)
    for plan in plans:
        mended = sum(each.stage == plan.stage and each not in still for each in found.findings)
        lines.append(f"{scan_id}/{plan.stage}: {counted(mended, 'difference')} mended, {_enqueued(plan)}")
    if plans:
        lines += [f"not mended: {finding.line(scan_id)}" for finding in left.findings]
    for stage in left.stages:
        if stage.stale:
            command = f"`producer enqueue {scan_id} --stage {stage.stage}`"
            then = f"{command} with --refresh-stale does them again, with --accept-stale keeps them"
            lines.append(f"{scan_id}/{stage.stage}: {_stale_line(stage.stale, stage.refresh_cost_usd, then)}")
    return lines


def verify_json(found: Report, left: Report, plans: list[Plan], *, repair: bool) -> dict[str, Any]:
    """The form that `producer verify --json` prints. What a repair mended stands apart from what is left."""
    still = set(left.findings)
    return {
        "scan_id": found.metadata.scan_id,
        "clean": not still,
        "repair": repair,
        "pages_checked": {stage.stage: stage.pages_checked for stage in found.stages},
        "findings": [finding.as_json() for finding in left.findings],
        "stale": [finding.as_json() for finding in left.stale],
        "refresh_cost_usd": left.refresh_cost_usd,
        "mended": [finding.as_json() for finding in found.findings if finding not in still],
        "enqueued_pages": {plan.stage: plan.enqueued for plan in plans},
    }


def _stale_line(stale: Mapping[int, Why], cost_usd: float, then: str) -> str:
    """Stale pages by their reasons, what doing them again costs in USD, and what becomes of them."""
    by_reason: dict[str, list[int]] = {}
    for page, why in stale.items():
        by_reason.setdefault(why.words("their"), []).append(page)
    reasons = ", ".join(f"{reason} ({show_pages(sorted(pages))})" for reason, pages in by_reason.items())
    parts = [f"{counted(len(stale), 'page is', 'pages are')} stale: {reasons}"]
    if cost_usd:
        parts.append(f"doing them cost {dollars(cost_usd)} so far")
    return "; ".join([*parts, then])


def _enqueued(plan: Plan) -> str:
    under_way = len(plan.remaining) - len(plan.enqueued) - len(plan.waiting)
    parts = [f"{counted(len(plan.enqueued), 'page')} enqueued"]
    if under_way:
        parts.append(f"{under_way} under way already")
    if plan.waiting:
        parts.append(f"{len(plan.waiting)} follow as an earlier stage completes them")
    return ", ".join(parts)

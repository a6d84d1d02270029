"""What the commands say, in words and in JSON."""

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from checkpointing.errors import in_one_line
from producer.enqueue import Plan
from producer.pages import show_pages
from producer.status import ScanStatus, StageStatus
from producer.verify import Report

_MOST_REASONS = 20
_STYLES = {"completed": "green", "failed": "red", "unreadable": "red", "in_progress": "yellow"}


def say_plan(console: Console, plan: Plan) -> None:
    """What was found at resume: what is skipped, what is done again and why, what was given up on."""
    if plan.set_aside:
        console.print(f"The checkpoint could not be used; it was set aside ({plan.set_aside}) and rebuilt.")
    for page, verdict in list(plan.requeued.items())[:_MOST_REASONS]:
        console.print(f"Page {page} is done again: {verdict.problem} ({verdict.detail})")
    if len(plan.requeued) > _MOST_REASONS:
        console.print(f"... and {len(plan.requeued) - _MOST_REASONS} more pages are done again")
    for failed in plan.quarantined[:_MOST_REASONS]:
        console.print(f"Page {failed.page} is in quarantine: {failed.message}")
    if plan.quarantined:
        console.print(f"`producer retry {plan.scan_id} --stage {plan.stage}` tries quarantined pages again.")
    if plan.skipped and plan.remaining:
        saved = f", ~${plan.cost_saved_usd:.2f} saved" if plan.cost_saved_usd else ""
        console.print(f"Resuming: {plan.skipped} of {len(plan.wanted)} pages complete{saved}")


def plan_result(plan: Plan, *, dry_run: bool) -> str:
    """What came of it, in one line."""
    if not plan.remaining and not plan.quarantined:
        return f"{plan.scan_id}/{plan.stage}: all {plan.skipped} pages are complete, nothing to do"
    if not plan.remaining:
        return f"{plan.scan_id}/{plan.stage}: nothing to enqueue, {len(plan.quarantined)} pages are in quarantine"
    pages = show_pages(plan.remaining)
    if dry_run:
        return f"{plan.scan_id}/{plan.stage}: would enqueue {len(plan.remaining)} pages ({pages})"
    return f"{plan.scan_id}/{plan.stage}: {_enqueued(plan)}"


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
        "cost_saved_usd": plan.cost_saved_usd,
        "total_cost_usd": plan.total_cost_usd,
        "set_aside": plan.set_aside,
    }


def plans_json(plans: list[Plan], *, dry_run: bool) -> dict[str, Any]:
    """The form for one stage; for several, all of theirs, in pipeline order, under `stages`."""
    forms = [plan_json(each, dry_run=dry_run) for each in plans]
    return forms[0] if len(forms) == 1 else {"scan_id": plans[0].scan_id, "stages": forms}


def verify_result(found: Report, left: Report, plans: list[Plan]) -> list[str]:
    """What came of a check, and of the repair after it."""
    scan_id = found.metadata.scan_id
    if not found.stages and not found.source:
        return [f"{scan_id}: the source is in order, no stage has begun"]
    lines = [
        f"{scan_id}/{stage.stage}: {stage.pages_checked} pages checked, all in order"
        for stage in found.stages
        if not stage.findings
    ]
    still = set(left.findings)
    for plan in plans:
        mended = sum(each.stage == plan.stage and each not in still for each in found.findings)
        lines.append(f"{scan_id}/{plan.stage}: {mended} differences mended, {_enqueued(plan)}")
    if plans:
        lines += [f"not mended: {finding.line(scan_id)}" for finding in left.findings]
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
        "mended": [finding.as_json() for finding in found.findings if finding not in still],
        "enqueued_pages": {plan.stage: plan.enqueued for plan in plans},
    }


def _enqueued(plan: Plan) -> str:
    under_way = len(plan.remaining) - len(plan.enqueued) - len(plan.waiting)
    parts = [f"{len(plan.enqueued)} pages enqueued"]
    if under_way:
        parts.append(f"{under_way} under way already")
    if plan.waiting:
        parts.append(f"{len(plan.waiting)} follow as an earlier stage completes them")
    return ", ".join(parts)


def status_table(scans: list[ScanStatus]) -> Table:
    """One row a stage."""
    table = Table(
        "scan", "stage", "status", "complete", "remaining", "failed", "cost", "rate", "ETA", "started", "updated"
    )
    for scan in scans:
        for name, stage in scan.stages.items():
            table.add_row(scan.metadata.scan_id, name, *_cells(stage))
    return table


def say_failures(console: Console, scans: list[ScanStatus]) -> None:
    """Each quarantined page and each stage's error, a line each."""
    for scan in scans:
        for name, stage in scan.stages.items():
            if stage.error:
                console.print(f"{scan.metadata.scan_id}/{name}: {in_one_line(stage.error)}")
            for failed in stage.failed_pages:
                how = f"{failed['kind']}, {failed['attempts']} attempts"
                console.print(f"  page {failed['page']}: {failed['message']} ({how})")


def _cells(stage: StageStatus) -> list[Text | str]:
    return [
        Text(stage.status, style=_STYLES.get(stage.status, "")),
        f"{stage.completed}/{stage.total_pages}",
        str(stage.remaining),
        str(stage.failed),
        f"${stage.total_cost_usd:.2f}",
        f"{stage.pages_per_second:.2f}/s" if stage.pages_per_second else "",
        f"{stage.eta_seconds:.0f} s" if stage.eta_seconds is not None else "",
        _moment(stage.started_at),
        _moment(stage.updated_at),
    ]


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" if moment else ""

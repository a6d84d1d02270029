"""Format the results of `producer verify`, as lines and as JSON."""

from typing import Any

from checkpointing.plurals import counted
from producer.planning.plan_output import enqueued_words, stale_line
from producer.planning.request import Plan
from producer.verify.verify_scan import Report


def result_lines(found: Report, left: Report, plans: list[Plan]) -> list[str]:
    """Return the lines about a check and the repair after it. Stale pages come last: they are not differences."""
    scan_id = found.metadata.scan_id
    if not found.stages and not found.source:
        return [f"{scan_id}: the source has no differences, and no stage has begun"]
    lines = [
        f"{scan_id}/{stage.stage}: {counted(stage.pages_checked, 'page')} checked, no differences"
        for stage in found.stages
        if not stage.findings
    ]
    still = set(left.findings)
    for plan in plans:
        repaired = sum(each.stage == plan.stage and each not in still for each in found.findings)
        lines.append(f"{scan_id}/{plan.stage}: {counted(repaired, 'difference')} repaired, {enqueued_words(plan)}")
    if plans:
        lines += [f"not repaired: {finding.line(scan_id)}" for finding in left.findings]
    for stage in left.stages:
        if stage.stale:
            command = f"`producer enqueue {scan_id} --stage {stage.stage}`"
            then = f"{command} with --refresh-stale processes them again, with --accept-stale keeps them"
            lines.append(f"{scan_id}/{stage.stage}: {stale_line(stage.stale, stage.refresh_cost_usd, then)}")
    return lines


def verify_json(found: Report, left: Report, plans: list[Plan], *, repair: bool) -> dict[str, Any]:
    """Return the object that `producer verify --json` prints, with repaired and remaining differences apart."""
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

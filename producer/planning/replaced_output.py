"""What `producer replace-page` prints."""

from dataclasses import asdict
from typing import Any

from checkpointing.money import add_usd, dollars
from checkpointing.outputs import SET_ASIDE
from producer.planning.replace_page import Replaced


def result_lines(done: Replaced, *, dry_run: bool) -> list[str]:
    """Return what was done, or would be done in a dry run."""
    if done.already:
        lines = [f"{done.scan_id}: page {done.page} is this picture already (source/{done.stored})"]
    else:
        verb = "would be" if dry_run else "is"
        kept = "would stay" if dry_run else "is kept"
        now = f"page {done.page} {verb} replaced by source/{done.stored}"
        lines = [f"{done.scan_id}: {now}; the old one {kept} in source/{done.kept}"]
    for each in done.stages:
        cost = (
            f"; it has cost {dollars(each.spent_usd)} there, and costs about as much again"
            if each.spent_usd
            else ""
        )
        aside = "" if each.was == "in quarantine" else f"; its output goes to {SET_ASIDE}/"
        lines.append(
            f"{done.scan_id}/{each.stage}: page {done.page} was {each.was} and is processed again{aside}{cost}"
        )
    return lines


def enqueue_command_line(done: Replaced) -> str:
    """Return the command line that processes the page again."""
    first, last = done.stages[0].stage, done.stages[-1].stage
    through = "" if first == last else f" --through {last}"
    return f"producer enqueue {done.scan_id} --stage {first}{through} --pages {done.page}"


def replaced_json(done: Replaced, *, dry_run: bool) -> dict[str, Any]:
    """Return the form that `producer replace-page --json` prints."""
    return {
        "scan_id": done.scan_id,
        "page": done.page,
        "dry_run": dry_run,
        "already": done.already,
        "stored": done.stored,
        "kept": done.kept,
        "stages": [asdict(each) for each in done.stages],
        "spent_usd": add_usd(*(each.spent_usd for each in done.stages)),
    }

"""`producer retry`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from checkpointing.errors import UnknownNameError
from producer.commands.options import AllowDoubtful, AnyStage, AsJson, Pages, ScanId, Wait
from producer.open_deployment import open_deployment
from producer.page_ranges import parse_pages
from producer.planning.plan_output import plans_json
from producer.planning.request import Request, check_pages
from producer.run.waiting import wait_for
from producer.status.begun_stages import stages_with_files
from producer.terminal.console import print_json, results
from worker.stages.registry import STAGES

if TYPE_CHECKING:
    from checkpointing.page_records import FailedPage


def retry_command(
    scan_id: ScanId,
    stage: AnyStage = None,
    pages: Pages = None,
    reason: Annotated[
        str | None, typer.Option(metavar="KIND", help="Only pages quarantined for this reason, such as timeout.")
    ] = None,
    as_json: AsJson = False,
    wait: Wait = False,
    allow_doubtful: AllowDoubtful = False,
) -> None:
    """Give quarantined pages new attempts.

    Example: `producer retry moby-dick --pages 3,7-9 --reason timeout`
    """
    from producer.planning.carry_out import enqueue_all
    from producer.planning.enqueue import plan

    named = None if pages is None else parse_pages(pages)
    deployment = open_deployment()
    total_pages = deployment.store.metadata(scan_id).total_pages
    check_pages(named or frozenset(), total_pages)
    stages = [stage] if stage is not None else stages_with_files(deployment.store, scan_id) or list(STAGES)[:1]
    plans = [plan(deployment.store, Request(scan_id, name)) for name in stages]
    _check_reason(reason, (failed for made in plans for failed in made.quarantined))
    requests = []
    for made in plans:
        chosen = frozenset(failed.page for failed in made.quarantined if reason in {None, failed.kind})
        if chosen := chosen if named is None else chosen & named:
            requests.append(Request(scan_id, made.stage, release=chosen))
    if requests:
        enqueued = enqueue_all(deployment, requests, as_json=as_json)
        if wait:
            wait_for(deployment, enqueued, allow_doubtful=allow_doubtful)
    elif as_json:
        nothing = [replace(made, wanted=[], skipped=0, remaining=[]) for made in plans]
        print_json(plans_json(nothing, dry_run=False))
    else:
        about = scan_id if stage is None else f"{scan_id}/{stage}"
        results.print(f"{about}: none of these pages is in quarantine, nothing to do")


def _check_reason(reason: str | None, quarantined: Iterable[FailedPage]) -> None:
    """Check that pages are in quarantine for a reason, if any are in quarantine at all."""
    kinds = Counter(failed.kind for failed in quarantined)
    if reason is not None and kinds and reason not in kinds:
        there = ", ".join(f"{name} ({count})" for name, count in sorted(kinds.items()))
        raise UnknownNameError(f"no page is in quarantine for {reason!r}", hint=f"existing reasons: {there}")

"""`producer verify`."""

from typing import Annotated

import typer

from checkpointing.errors import DifferencesError
from checkpointing.plurals import counted
from checkpointing.refs import check_scan_id
from producer.commands.options import AnyStage, AsJson, Pages, ScanId
from producer.open_deployment import open_deployment
from producer.page_ranges import parse_pages
from producer.planning import plan_output as words
from producer.planning.request import Plan
from producer.terminal.console import notes, print_json, results
from producer.terminal.progress import counting_on
from producer.verify.verify_scan import Report, verify, verify_again
from worker.config.settings import load_settings
from worker.deployment import Deployment


def verify_command(
    scan_id: ScanId,
    stage: AnyStage = None,
    pages: Pages = None,
    mend: Annotated[bool, typer.Option("--repair", help="Mend what can be mended; needs Redis.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check source, outputs and checkpoints against each other, as `fsck` does. Works with Redis down.

    `--repair` brings them in line and enqueues the pages that have to be done again. It changes nothing where
    Redis cannot be reached, deletes nothing but the temp files of crashed writers, and leaves foreign files alone.

    Stale pages, which are not made from what is there now, are shown with the reason and what doing them again
    would cost. They are no differences: the exit code is that of a scan without them, `--repair` leaves them alone.

    Example: `producer verify moby-dick --repair`

    Example: `producer verify moby-dick --stage ocr --pages 3,7-9`
    """
    deployment = open_deployment(load_settings())
    only = None if pages is None else parse_pages(pages)
    found = verify(deployment, check_scan_id(scan_id), stage, counting_on(notes), only)
    if not as_json:
        for finding in found.findings:
            results.print(finding.line(scan_id))
    plans = _repair(deployment, found) if mend else []
    left = verify_again(deployment, found, counting_on(notes)) if plans else found
    if as_json:
        print_json(words.verify_json(found, left, plans, repair=mend))
    else:
        for line in words.verify_result(found, left, plans):
            results.print(line)
    _insist_on_none(left, repaired=mend)


def _repair(deployment: Deployment, found: Report) -> list[Plan]:
    from producer.verify.repair import repair

    plans = []
    for stage in found.stages:
        made = repair(deployment, found.metadata.scan_id, stage, found.only)
        if made is not None:
            words.say_plan(notes, made)
            plans.append(made)
    return plans


def _insist_on_none(left: Report, *, repaired: bool) -> None:
    """End with the exit code of a scan with differences, if it is one.

    Raises:
        DifferencesError: it is.
    """
    if not left.findings:
        return
    scan_id, mendable = left.metadata.scan_id, sum(finding.mendable for finding in left.findings)
    how = (
        "left after the repair"
        if repaired
        else f"found; `producer verify {scan_id} --repair` mends {mendable} of them"
    )
    raise DifferencesError(f"{scan_id}: {counted(len(left.findings), 'difference')} {how}")

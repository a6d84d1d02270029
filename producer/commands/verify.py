"""`producer verify`."""

from typing import Annotated

import typer

from checkpointing.errors import DifferencesError
from checkpointing.plurals import counted
from producer.commands.options import AnyStage, AsJson, Pages, ScanId
from producer.open_deployment import open_deployment
from producer.page_ranges import parse_pages
from producer.planning.plan_output import print_plan
from producer.terminal.console import notes, print_json, results
from producer.terminal.progress import counting_on
from producer.verify.verify_output import result_lines, verify_json
from producer.verify.verify_scan import verify, verify_again


def verify_command(
    scan_id: ScanId,
    stage: AnyStage = None,
    pages: Pages = None,
    mend: Annotated[bool, typer.Option("--repair", help="Repair what can be repaired. Needs Redis.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check source, outputs and checkpoints of a scan. Like `fsck`; works while Redis is down.

    --repair brings checkpoints in line with the outputs, and enqueues damaged pages to be processed again. It
    deletes only the temporary files of crashed writers, and leaves files alone that Leafmark did not write.

    Stale pages are listed with the reason and their cost so far. They are not differences: they do not change the
    exit code, and --repair does not process them again.

    Example: `producer verify moby-dick --repair`

    Example: `producer verify moby-dick --stage ocr --pages 3,7-9`
    """
    deployment = open_deployment()
    only = None if pages is None else parse_pages(pages)
    found = verify(deployment.store, scan_id, stage, counting_on(notes), only)
    if not as_json:
        for finding in found.findings:
            results.print(finding.line(scan_id))
    plans = []
    if mend:
        from producer.verify.repair import repair

        for report in found.stages:
            if made := repair(deployment, scan_id, report, only):
                print_plan(notes, made)
                plans.append(made)
    left = verify_again(deployment.store, found, counting_on(notes)) if plans else found
    if as_json:
        print_json(verify_json(found, left, plans, repair=mend))
    else:
        for line in result_lines(found, left, plans):
            results.print(line)
    if left.findings:
        differences = counted(len(left.findings), "difference")
        repairable = sum(finding.mendable for finding in left.findings)
        if mend:
            raise DifferencesError(f"{scan_id}: {differences} left after the repair")
        raise DifferencesError(
            f"{scan_id}: {differences} found",
            hint=f"`producer verify {scan_id} --repair` repairs {repairable} of them",
        )

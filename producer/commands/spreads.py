"""`producer spreads`."""

from typing import Annotated

import typer

from producer.commands.options import AsJson, ScanId
from producer.open_deployment import open_deployment
from producer.terminal.console import notes, print_json, results
from worker.pages.geometry.settings import Spreads


def spreads_command(
    scan_id: ScanId,
    mode: Annotated[
        Spreads | None,
        typer.Option(
            "--set", metavar="HOW", help="no: each picture is one page; auto or yes: split pictures of two pages."
        ),
    ] = None,
    pages: Annotated[
        str | None,
        typer.Option(
            "--pages", metavar="PAGES", help="Only the pictures of these pages, such as 3,7-9. Default: all."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show which pictures of a book are split into two pages, or change it. Pages that stay the same are kept.

    Pages that stay the same keep what was read and paid for, with their new numbers; only pages that are new are
    read by the next `producer enqueue`. Recorded cost stays. The book as it was is kept in `renumbered/`.

    Refused while workers are at work on the book. If it is interrupted, commands refuse the book until
    `producer spreads SCAN_ID` has finished the change.

    Example: `producer spreads atlas --set no --pages 12`

    Example: `producer spreads moby-dick --set auto --dry-run`
    """
    from producer.ingest.ingest_output import spread_line
    from producer.page_ranges import parse_pages
    from producer.planning.renumber import check_can_be_renumbered, finish_renumbering, renumber
    from producer.planning.spread_change import plan_change
    from producer.planning.spreads_output import change_json, change_lines, shown_json
    from producer.terminal.progress import counting_on

    deployment = open_deployment()
    only = frozenset[int]() if pages is None else parse_pages(pages)
    if not dry_run and finish_renumbering(deployment, scan_id):
        notes.print(f"Finished what was interrupted: the pages of {scan_id} are numbered consistently again.")
    if mode is None:
        metadata = deployment.store.metadata(scan_id)
        if as_json:
            print_json(shown_json(metadata))
        else:
            results.print(f"{scan_id}: {spread_line(metadata.source)}")
        return
    counting = counting_on(notes)
    change = plan_change(deployment.store, scan_id, mode, only, counting)
    check_can_be_renumbered(deployment, change.renumbering.before)
    if not dry_run:
        renumber(deployment, change.renumbering, counting)
    if as_json:
        print_json(change_json(change, dry_run=dry_run))
        return
    for line in change_lines(change, dry_run=dry_run):
        results.print(line)
    if change.changes_pages and change.stages:
        last = change.stages[-1].stage
        through = "" if len(change.stages) == 1 else f" --through {last}"
        when = "Then, to" if dry_run else "To"
        notes.print(f"{when} read the new pages: producer enqueue {scan_id}{through}")

"""`producer replace-page`."""

from pathlib import Path
from typing import Annotated

import typer

from producer.commands.options import AsJson, Password, ScanId
from producer.open_deployment import open_deployment
from producer.terminal.console import notes, print_json, results


def replace_page_command(
    scan_id: ScanId,
    page: Annotated[int, typer.Argument(min=1, metavar="PAGE", help="Page of the book to replace.")],
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="New scan of the page: a page image or a PDF.", show_default=False),
    ],
    from_page: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Page of FILE, if it contains several.")
    ] = None,
    password: Password = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Replace one page with a new scan of it. The old file is kept; `producer enqueue` processes the page again.

    Works for page images, multi-page TIFFs and PDFs, and while Redis is down. Outputs of the page are set aside,
    their cost stays recorded, and `metadata.json` keeps the history. Refused while a worker has the page in hand.

    Example: `producer replace-page moby-dick 7 page-7-again.png`

    Example: `producer replace-page moby-dick 7 rescans.pdf --from-page 2`
    """
    from producer.ingest.books import given_password
    from producer.planning.replace_page import replace_page
    from producer.planning.replaced_output import enqueue_command_line, replaced_json, result_lines

    password = given_password(password)
    deployment = open_deployment()
    done = replace_page(deployment, scan_id, page, file, place=from_page, password=password, dry_run=dry_run)
    if as_json:
        print_json(replaced_json(done, dry_run=dry_run))
        return
    for line in result_lines(done, dry_run=dry_run):
        results.print(line)
    if done.stages:
        notes.print(f"{'Then, to' if dry_run else 'To'} process the page again: {enqueue_command_line(done)}")

"""`producer replace-page`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from checkpointing.money import add_usd, dollars
from checkpointing.refs import check_scan_id
from producer.commands.options import AsJson, Password, ScanId
from producer.open_deployment import open_deployment
from producer.output_dir import SET_ASIDE
from producer.terminal.console import notes, print_json, results
from worker.config.settings import load_settings

if TYPE_CHECKING:
    from producer.planning.replace_page import Replaced


def replace_page_command(
    scan_id: ScanId,
    page: Annotated[int, typer.Argument(min=1, metavar="PAGE", help="Which page of the book.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The new scan of it: a page image, or a PDF.", show_default=False)
    ],
    from_page: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Which page of FILE, where it holds several.")
    ] = None,
    password: Password = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Replace one page by a new scan of it. The old one is kept; stages do the page again when it is enqueued.

    Works for page images, multi-page TIFFs and PDFs, and with Redis down. Outputs of the page are set aside, what
    they cost stays counted, and `metadata.json` keeps the history. Refused while a worker has the page in hand.

    Example: `producer replace-page moby-dick 7 page-7-again.png`

    Example: `producer replace-page moby-dick 7 rescans.pdf --from-page 2`
    """
    from producer.ingest.books import given_password
    from producer.planning.replace_page import replace_page

    password = given_password(password)
    deployment = open_deployment(load_settings())
    done = replace_page(
        deployment, check_scan_id(scan_id), page, file, place=from_page, password=password, dry_run=dry_run
    )
    if as_json:
        print_json(_form(done, dry_run=dry_run))
        return
    for line in _lines(done, dry_run=dry_run):
        results.print(line)
    if done.stages:
        notes.print(f"{'Then to' if dry_run else 'To'} do the page again: {_command(done)}")


def _lines(done: Replaced, *, dry_run: bool) -> list[str]:
    """What was done, or would be, a line each."""
    if done.already:
        lines = [f"{done.scan_id}: page {done.page} is that picture already (source/{done.stored})"]
    else:
        verb = "would be" if dry_run else "is"
        kept = "would stay" if dry_run else "is kept"
        now = f"page {done.page} {verb} replaced by source/{done.stored}"
        lines = [f"{done.scan_id}: {now}; the old one {kept} in source/{done.kept}"]
    for each in done.stages:
        cost = (
            f"; it has cost {dollars(each.spent_usd)} there, about what doing it again costs"
            if each.spent_usd
            else ""
        )
        aside = "" if each.was == "in quarantine" else f"; its output goes to {SET_ASIDE}/"
        lines.append(
            f"{done.scan_id}/{each.stage}: page {done.page} was {each.was}, and is done again{aside}{cost}"
        )
    return lines


def _command(done: Replaced) -> str:
    first, last = done.stages[0].stage, done.stages[-1].stage
    through = "" if first == last else f" --through {last}"
    return f"producer enqueue {done.scan_id} --stage {first}{through} --pages {done.page}"


def _form(done: Replaced, *, dry_run: bool) -> dict[str, Any]:
    return {
        "scan_id": done.scan_id,
        "page": done.page,
        "dry_run": dry_run,
        "already": done.already,
        "stored": done.stored,
        "kept": done.kept,
        "stages": [{"stage": each.stage, "was": each.was, "spent_usd": each.spent_usd} for each in done.stages],
        "spent_usd": add_usd(*(each.spent_usd for each in done.stages)),
    }

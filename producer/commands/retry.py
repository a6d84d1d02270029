"""`producer retry`."""

from collections import Counter
from dataclasses import replace
from typing import Annotated

import typer

from checkpointing.errors import UnknownNameError
from checkpointing.models import FailedPage
from producer import words
from producer.commands import options
from producer.commands.enqueue import carry_out
from producer.commands.options import AsJson, ScanId, Stage, Strict, Wait
from producer.console import print_json, results
from producer.pages import parse_pages
from producer.request import Request
from worker.scan import check_scan_id
from worker.settings import load_settings


def retry_command(
    scan_id: ScanId,
    stage: Stage = "ocr",
    pages: Annotated[str | None, typer.Option(help="Which pages, like 3,7-9; default all in quarantine.")] = None,
    reason: Annotated[str | None, typer.Option(metavar="KIND", help="Only those given up on for this.")] = None,
    as_json: AsJson = False,
    wait: Wait = False,
    strict: Strict = False,
) -> None:
    """Give quarantined pages new attempts.

    Example: `producer retry moby-dick --pages 3,7-9 --reason timeout`
    """
    from producer.enqueue import plan

    workshop = options.open_workshop(load_settings())
    whole_book = plan(workshop, Request(check_scan_id(scan_id), stage))
    named = parse_pages(pages) if pages is not None else frozenset()
    # Insists that the named pages are in the book.
    request = Request(scan_id, stage, release=named)
    chosen = _of_kind(whole_book.quarantined, reason).intersection(request.pages(whole_book.total_pages))
    if chosen:
        carry_out(workshop, [replace(request, release=chosen)], as_json=as_json, wait=wait, strict=strict)
    elif as_json:
        print_json(words.plan_json(replace(whole_book, wanted=[], skipped=0, remaining=[]), dry_run=False))
    else:
        results.print(f"{scan_id}/{stage}: none of these pages is in quarantine, nothing to do")


def _of_kind(quarantined: list[FailedPage], kind: str | None) -> frozenset[int]:
    """The quarantined pages that were given up on for this reason; all of them where none is given.

    Raises:
        UnknownNameError: pages are in quarantine, and none for this reason.
    """
    pages = frozenset(failed.page for failed in quarantined if kind in {None, failed.kind})
    if quarantined and not pages:
        kinds = Counter(failed.kind for failed in quarantined)
        there = ", ".join(f"{name} ({count})" for name, count in sorted(kinds.items()))
        raise UnknownNameError(f"no page is in quarantine for {kind!r}; the reasons there are: {there}")
    return pages

"""`producer profile`."""

from typing import Annotated

import typer

from producer.commands import completion
from producer.commands.options import AsJson, ScanId
from producer.ingest.profile_change import change_profile, preview_change
from producer.ingest.profile_options import parse_changes
from producer.open_deployment import open_deployment
from producer.page_ranges import parse_pages
from producer.planning.profile_effect import effect_of
from producer.planning.profile_output import effect_lines, profile_json, tables
from producer.planning.profile_view import view_profile
from producer.planning.request import check_pages
from producer.terminal.console import notes, print_json, results
from worker.config.settings import PROFILE_SETTINGS

_NAMES = ", ".join(name for name in PROFILE_SETTINGS if name != "spreads")


def profile_command(
    scan_id: ScanId,
    pages: Annotated[
        str | None,
        typer.Option(
            "--pages",
            metavar="PAGES",
            help="Show or change how these pages are read, such as 3,7-9. Default: the whole book.",
        ),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help=f"Set a field of the profile: {_NAMES}. Repeatable.",
            autocompletion=completion.profile_pairs,
        ),
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(
            "--unset",
            metavar="NAME",
            help="Remove a field of the profile: the setting applies again, with --pages that of the "
            "book. Repeatable.",
            autocompletion=completion.profile_fields,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would become stale, and its price; change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show how a book is read, or change it. Works while Redis is down.

    Each value is shown with its source: the profile of the pages or of the book, a setting of the machine that
    enqueued the book last (`enqueue`) where this machine has another, a setting of this machine, or the default.
    Then follow the engine that results and its own names of the languages.

    With --pages, the values are set for these pages only, such as a quire in another language. They override those
    of the book, which apply to the rest.

    Complete pages that were read by other values become stale. They stay complete until `producer enqueue
    --refresh-stale`. The price of that is shown, with the stages that are made from these pages.

    Example: `producer profile faust`

    Example: `producer profile faust --set engine=auto --set lang=de,la --set typeface=fraktur`

    Example: `producer profile faust --pages 17-32 --set lang=el`
    """
    store = open_deployment().store
    only = frozenset[int]() if pages is None else parse_pages(pages)
    effect = None
    if given or unset:
        wanted, removed = parse_changes(given or [], unset or [])
        before = store.metadata(scan_id)
        check_pages(only, before.total_pages)
        change = preview_change if dry_run else change_profile
        after = change(store.scan(scan_id), wanted, removed, only)
        effect = effect_of(store, before, after, only)
        store = store.with_metadata(after)
    view = view_profile(store, scan_id, only)
    if as_json:
        print_json(profile_json(view, effect, dry_run=dry_run))
        return
    for each in tables(view, of_pages=bool(only)):
        results.print(each)
    for line in effect_lines(scan_id, effect, dry_run=dry_run) if effect else ():
        notes.print(line)

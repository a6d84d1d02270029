"""`producer profile`."""

from typing import Annotated

import typer

from producer.commands import completion
from producer.commands.options import AsJson, ScanId
from producer.ingest.profile_options import OPTIONS, parse_changes
from producer.open_deployment import open_deployment
from producer.planning.profile_output import change_lines, profile_json, profile_table, reading_lines
from producer.planning.profile_view import change_and_count, view_profile
from producer.terminal.console import notes, print_json, results

_NAMES = ", ".join(OPTIONS)


def profile_command(
    scan_id: ScanId,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help=f"Set a field of the book's profile: {_NAMES}. Repeatable.",
            autocompletion=completion.profile_pairs,
        ),
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(
            "--unset",
            metavar="NAME",
            help="Remove a field of the book's profile: the setting of the worker applies again. Repeatable.",
            autocompletion=completion.profile_fields,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how a book is read, or change it. Works while Redis is down.

    Each value is shown with its source: the book's profile, a setting of this machine, or the default. Then follow
    the engine that results and its own names of the languages.

    Complete pages that were read by other values become stale. They stay complete until `producer enqueue
    --refresh-stale`.

    Example: `producer profile faust`

    Example: `producer profile faust --set engine=auto --set lang=de,la --set typeface=fraktur`
    """
    store = open_deployment().store
    change = None
    if given or unset:
        change = change_and_count(store, scan_id, *parse_changes(given or [], unset or []))
    view = view_profile(store, scan_id)
    if as_json:
        print_json(profile_json(view, change))
        return
    results.print(profile_table(view))
    for line in reading_lines(view):
        results.print(line)
    for line in change_lines(scan_id, change) if change else ():
        notes.print(line)

"""`producer status`."""

from typing import Annotated

import typer

from checkpointing.errors import LeafmarkError
from checkpointing.refs import check_scan_id
from producer.commands import completion
from producer.commands.options import AsJson
from producer.open_deployment import open_deployment
from producer.status.output import detail_lines, status_lines
from producer.status.scan_status import all_scans, scan_status
from producer.terminal.console import notes, print_json, results, terminal_width


def status_command(
    scan_id: Annotated[
        str | None,
        typer.Argument(metavar="SCAN_ID", help="Default: all scans.", autocompletion=completion.scan_ids),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the progress of scans. Reads files only; works while Redis is down.

    Example: `producer status moby-dick --json`
    """
    deployment = open_deployment()
    if scan_id is None:
        broken: list[LeafmarkError] = []
        scans = all_scans(deployment.store, broken.append)
        for error in broken:
            notes.print(f"producer: {error}")
    else:
        scans = [scan_status(deployment.store, check_scan_id(scan_id), with_calls=True)]
    if as_json:
        forms = [scan.as_json() for scan in scans]
        print_json(forms if scan_id is None else forms[0])
    elif not scans:
        others = " that can be shown" if scan_id is None and broken else ""
        notes.print(
            f"There are no scans{others} under {deployment.store.root}; `producer ingest SOURCE` makes one."
        )
    else:
        for line in [*status_lines(scans, terminal_width()), *detail_lines(scans)]:
            results.print(line)

"""`producer report`."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from checkpointing.refs import check_scan_id
from producer.commands.options import AsJson, ScanId
from producer.open_deployment import open_deployment
from producer.report.write import check_target, write_report
from producer.terminal.console import notes, print_json, results
from producer.terminal.progress import counting_on


def report_command(
    scan_id: ScanId,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Output file. Default: SCAN_ID-report.html in the current folder."),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    no_images: Annotated[bool, typer.Option("--no-images", help="Leave out the page images.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a scan's report as one HTML file. It has pages, edits, costs and chapters.

    The file needs no other files and no network. Works while Redis is down. Prints the path of the file.

    Example: `producer report moby-dick --output moby-dick.html --open`
    """
    target = output or Path(f"{check_scan_id(scan_id)}-report.html")
    check_target(target)
    deployment = open_deployment()
    deployment.store.metadata(scan_id)
    # Slow to import, and not needed if there is no such scan.
    from producer.report.collect import collect
    from producer.report.render import render

    report = collect(deployment.store, check_scan_id(scan_id), images=not no_images, counting=counting_on(notes))
    write_report(target, render(report))
    if as_json:
        print_json({"scan_id": scan_id, "report": str(target), "pages": len(report.pages)})
    else:
        results.print(str(target))
    if open_it and not webbrowser.open(target.resolve().as_uri()):
        notes.print(f"No browser found; open {target} yourself.")

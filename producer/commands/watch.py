"""`producer watch`."""

from typing import Annotated

import typer

from checkpointing.errors import CommandLineError
from producer.commands import completion
from producer.open_deployment import open_deployment
from producer.program import INTERRUPTED
from producer.run.interrupts import interruptible
from producer.terminal.console import notes, print_json, results
from producer.watch.collect import Collector, StageSelection, stages_of_scan, stages_under_way
from producer.watch.screen import VIEW_HINT, snapshot_lines, view_on, watch
from worker.storage.book_store import BookStore


def watch_command(
    scan_id: Annotated[
        str | None,
        typer.Argument(
            metavar="SCAN_ID",
            help="Default: all scans with work under way.",
            autocompletion=completion.scan_ids,
        ),
    ] = None,
    until_done: Annotated[bool, typer.Option("--until-done", help="Exit when nothing is under way.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Print the present state as plain lines, and exit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: print the state as JSON.")] = False,
) -> None:
    """Show live progress of scans. Pages, speed, cost, workers and missing pages.

    Ctrl-C closes the view; the workers keep running. In a pipe, in CI, on a dumb terminal or with NO_COLOR it
    prints plain lines.

    Example: `producer watch moby-dick`

    Example: `producer watch --until-done`
    """
    if as_json and not once:
        raise CommandLineError("--json works only with --once", hint="add --once")
    deployment = open_deployment()
    collector = Collector(deployment, _stages(deployment.store, scan_id), with_other_scans=scan_id is None)
    if as_json:
        print_json(collector.collect_once().as_json())
        return
    if once:
        for line in snapshot_lines(collector.collect_once()):
            results.print(line)
        return
    try:
        with interruptible(), collector, view_on(results, VIEW_HINT) as show:
            watch(collector, show, until_done=until_done)
    except KeyboardInterrupt:
        again = "producer watch" + (f" {scan_id}" if scan_id else "")
        notes.print(f"Stopped watching; the workers keep running. To watch again: {again}")
        raise typer.Exit(INTERRUPTED) from None


def _stages(store: BookStore, scan_id: str | None) -> StageSelection:
    if scan_id is None:
        store.library.check()
        return stages_under_way(store)
    store.metadata(scan_id)
    return stages_of_scan(store, scan_id)

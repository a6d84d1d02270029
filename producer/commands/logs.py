"""`producer logs`."""

import os
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from checkpointing.errors import CommandLineError
from producer.commands.options import AnyStage, Pages, ScanId
from producer.logs.log_files import LogFiles, follow_lines, nothing_is_left, show_new
from producer.logs.log_lines import LineFilter, LogLine, as_json_line, as_line, parse_level, parse_run, parse_since
from producer.open_deployment import open_deployment
from producer.page_ranges import parse_pages
from producer.planning.request import check_pages
from producer.program import INTERRUPTED
from producer.run.interrupts import interruptible
from producer.terminal.console import notes
from worker.stages.registry import STAGES

_COLOURS = {"warning": typer.colors.YELLOW, "error": typer.colors.RED, "critical": typer.colors.RED}


def logs_command(
    scan_id: ScanId,
    stage: AnyStage = None,
    pages: Pages = None,
    page: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only this page; for scripts, instead of --pages.")
    ] = None,
    run: Annotated[
        str, typer.Option(metavar="ID", help="Only lines of this run. The first characters of its id are enough.")
    ] = "",
    level: Annotated[
        str, typer.Option(metavar="LEVEL", help="Minimum level: debug, info, warning, error.")
    ] = "debug",
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only lines since then: 10m, 2h, 1d, or a date and time.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep running and print new lines.")] = False,
    until_done: Annotated[
        bool, typer.Option("--until-done", help="Like --follow, and exit when no stage has work left.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the lines as JSON, one object for each line.")
    ] = False,
) -> None:
    """Show the log lines of a scan from all machines. In order of time; works while Redis is down.

    Torn and foreign lines are skipped and counted.

    Example: `producer logs moby-dick --pages 12 --since 2h`

    Example: `producer logs moby-dick --stage correction --level warning --follow`
    """
    deployment = open_deployment()
    about = _about(pages, page)
    total_pages = deployment.store.metadata(scan_id).total_pages
    check_pages(about, total_pages)
    if stage is not None:
        deployment.store.stages.get(stage)
    moment = None if since is None else parse_since(since, datetime.now(UTC))
    wanted = LineFilter(stage, about, parse_run(run) if run else "", parse_level(level), moment)
    files = LogFiles(deployment.store.scan(scan_id).logs_dir, stage, moment)
    show = _show_json if as_json else _show
    stages = [stage] if stage is not None else list(STAGES)

    def is_done() -> bool:
        return until_done and nothing_is_left(deployment.store, scan_id, stages)

    ended = False
    try:
        with interruptible():
            if follow or until_done:
                follow_lines(files, wanted, show, is_done, sys.stdout.flush)
            elif not show_new(files, wanted, show):
                notes.print(f"{scan_id}: no matching lines in its logs")
            sys.stdout.flush()
        ended = not (follow or until_done)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader, for example `head`, has closed the pipe. Flushing at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        for problem in files.problems(ended=ended):
            notes.print(problem)


def _about(pages: str | None, page: int | None) -> frozenset[int]:
    """Return the pages whose lines are shown; empty for all lines."""
    if pages is not None and page is not None:
        raise CommandLineError("--pages and --page exclude each other", hint="use one of them")
    if pages is not None:
        return parse_pages(pages)
    return frozenset() if page is None else frozenset({page})


def _show(line: LogLine) -> None:
    sys.stdout.write(f"{as_line(line, _styled)}\n")


def _show_json(line: LogLine) -> None:
    sys.stdout.write(f"{as_json_line(line)}\n")


def _styled(text: str, level: str) -> str:
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ or level not in _COLOURS
    return text if plain else typer.style(text, fg=_COLOURS[level])

"""The command line: the list of commands, and how an error ends a command.

Results go to stdout, progress and logs to stderr. Exit codes are those of `checkpointing.errors`.
"""

import sys
import traceback
from typing import NoReturn

import typer
from typer._completion_classes import completion_init

from checkpointing.errors import BrokerError, LeafmarkError, in_one_line
from producer.commands.command_group import MARKUP, LazyGroup, Listed
from producer.commands.main import main_options
from producer.program import opened, program_name
from worker.queue.broker_errors import broker_errors, describe_broker_error

# Celery reads the options and arguments.
_PASSED_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True}
# In the order of the help.
COMMANDS = {
    "run": Listed("Process books on this machine. Broker and workers are included; run it again to resume."),
    "ingest": Listed("Copy scanned books into the storage root. Prints their scan ids."),
    "profile": Listed("Show how a book is read, or change it. Works while Redis is down."),
    "enqueue": Listed(
        "Enqueue the pages that still need work. Safe to repeat: only the remaining pages are enqueued."
    ),
    "status": Listed("Show the progress of scans. Reads files only; works while Redis is down."),
    "logs": Listed("Show the log lines of a scan from all machines. In order of time; works while Redis is down."),
    "watch": Listed("Show live progress of scans. Pages, speed, cost, workers and missing pages."),
    "report": Listed("Write a scan's report as one HTML file. It has pages, edits, costs and chapters."),
    "evaluate": Listed("Measure how well pages were read, against their known text. Works while Redis is down."),
    "retry": Listed("Give quarantined pages new attempts."),
    "replace-page": Listed(
        "Replace one page with a new scan of it. The old file is kept; `producer enqueue` processes the page again."
    ),
    "spreads": Listed(
        "Show which pictures of a book are split into two pages, or change it. Pages that stay the same are kept."
    ),
    "cancel": Listed(
        "Cancel the work on a scan. Complete pages are kept; `producer enqueue` continues from there."
    ),
    "verify": Listed("Check source, outputs and checkpoints of a scan. Like `fsck`; works while Redis is down."),
    "reset": Listed(
        "Reset a stage to the state before its first page. Asks for confirmation; keeps outputs and recorded cost."
    ),
    "worker": Listed(
        "Start a worker. The options are those of `celery -A worker worker`; safe to start in any folder.",
        "celery",
        _PASSED_THROUGH,
    ),
    "flower": Listed(
        "Start Flower, the monitor, on 127.0.0.1. The options are those of `celery -A worker flower`.",
        "celery",
        _PASSED_THROUGH,
    ),
    "doctor": Listed(
        "Check storage, Redis, workers, models and settings. Prints how to fix problems; changes nothing."
    ),
    "config": Listed("Show each setting and where its value comes from. Works without Redis and storage."),
}


class Commands(LazyGroup):
    """All commands."""

    listed = COMMANDS


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    # `main_options` has options of its own for that.
    add_completion=False,
    rich_markup_mode=MARKUP,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Leafmark turns scanned books into checked, structured pages. Every command can be repeated safely.",
    epilog="`--debug`, anywhere, shows the traceback of an error. Exit codes: docs/reference/exit-codes.md.",
)
app.callback()(main_options)
# Typer does this only where the options are its own.
completion_init()


def main() -> None:
    """Run a command; turn an error into one line and an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(arguments)
    except LeafmarkError as error:
        _give_up(f"{program_name()}: {error}", error.exit_code, debug=debug)
    except broker_errors() as error:
        _give_up(f"{program_name()}: {describe_broker_error(error)}", BrokerError.exit_code, debug=debug)
    except Exception as error:  # noqa: BLE001  # an unexpected error ends with one line as well
        what = f"unexpected error, please report it: {type(error).__name__}: {error} (see --debug)"
        _give_up(f"{program_name()}: {what}", LeafmarkError.exit_code, debug=debug)
    finally:
        opened.close()


def _give_up(message: str, exit_code: int, *, debug: bool) -> NoReturn:
    """Print one line, with `debug` after the traceback of the error being handled, and exit."""
    if debug:
        traceback.print_exc()
    sys.stderr.write(f"{in_one_line(message, most=2000)}\n")
    sys.exit(exit_code)


if __name__ == "__main__":
    main()

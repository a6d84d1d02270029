"""The command line: which commands there are, and what becomes of an error.

stdout is for results, stderr for progress and logs. Exit codes are those of `checkpointing.errors`.
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

# Options and arguments are Celery's business.
_PASSED_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True}
# In the order in which the help lists them.
COMMANDS = {
    "run": Listed("Do whole books on this machine, with nothing to install or start. Run it again to resume."),
    "ingest": Listed("Copy scanned books into the storage root. Prints their scan ids."),
    "enqueue": Listed("Enqueue the pages that still need work. Safe to repeat: it does only what is left."),
    "status": Listed("Show where scans stand. Reads files only; works with Redis down."),
    "logs": Listed("Show what was logged about a scan, on all machines, in order of time."),
    "watch": Listed("Watch scans being worked on: pages, speed, money, workers, and where the holes are."),
    "report": Listed("Write a scan's pages, edits, costs and chapters as one HTML file."),
    "retry": Listed("Give quarantined pages new attempts."),
    "replace-page": Listed(
        "Replace one page by a new scan of it. The old one is kept; stages do the page again when it is enqueued."
    ),
    "cancel": Listed(
        "Call off what was enqueued. Complete pages stay complete; `producer enqueue` goes on from there."
    ),
    "verify": Listed(
        "Check source, outputs and checkpoints against each other, as `fsck` does. Works with Redis down."
    ),
    "reset": Listed(
        "Forget a stage, to begin it anew. Asks first. Its outputs are set aside, its cost stays counted."
    ),
    "worker": Listed(
        "Start a worker: `celery -A worker worker` with the same options, safe to start in any folder.",
        "celery",
        _PASSED_THROUGH,
    ),
    "flower": Listed(
        "Start Flower, the monitor: `celery -A worker flower` with the same options, on 127.0.0.1 by default.",
        "celery",
        _PASSED_THROUGH,
    ),
    "doctor": Listed(
        "Look whether storage, Redis, workers, models and settings are as they should be. It mends nothing."
    ),
    "config": Listed(
        "Show each setting in force and where it came from. Works with Redis down and without storage."
    ),
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
    help="Leafmark: scanned books in, checked pages out. Resumes after anything, never does a page twice.",
    epilog="`--debug`, anywhere, shows the traceback of an error. Exit codes: docs/reference/exit-codes.md.",
)
app.callback()(main_options)
# Typer does this only where the options are its own.
completion_init()


def main() -> None:
    """Entry point: runs a command and turns errors into one line and an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(arguments)
    except LeafmarkError as error:
        _give_up(f"{program_name()}: {error}", error.exit_code, debug=debug)
    except broker_errors() as error:
        _give_up(f"{program_name()}: {describe_broker_error(error)}", BrokerError.exit_code, debug=debug)
    except Exception as error:  # noqa: BLE001  # whatever nobody foresaw is said in one line as well
        what = f"unexpected error, please report it: {type(error).__name__}: {error} (see --debug)"
        _give_up(f"{program_name()}: {what}", LeafmarkError.exit_code, debug=debug)
    finally:
        opened.close()


def _give_up(message: str, exit_code: int, *, debug: bool) -> NoReturn:
    """End with one line for a person; with `--debug` after the traceback of the error being handled."""
    if debug:
        traceback.print_exc()
    sys.stderr.write(f"{in_one_line(message, most=2000)}\n")
    sys.exit(exit_code)


if __name__ == "__main__":
    main()

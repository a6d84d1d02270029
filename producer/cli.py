"""The command line: which commands there are, and what becomes of an error.

stdout is for results, stderr for progress and logs. Exit codes are those of `checkpointing.errors`.
"""

import sys
import traceback
from pathlib import Path
from typing import NoReturn

import typer

from checkpointing.errors import LeafmarkError, in_one_line
from producer.commands.cancel import cancel_command
from producer.commands.celery import PASSED_THROUGH, flower_command, worker_command
from producer.commands.config import config_command
from producer.commands.doctor import doctor_command
from producer.commands.enqueue import enqueue_command
from producer.commands.ingest import ingest_command
from producer.commands.logs import logs_command
from producer.commands.main import main_options
from producer.commands.options import opened
from producer.commands.report import report_command
from producer.commands.reset import reset_command
from producer.commands.retry import retry_command
from producer.commands.run import run_command
from producer.commands.status import status_command
from producer.commands.verify import verify_command
from producer.commands.watch import watch_command
from producer.console import notes

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Leafmark: scanned books in, checked pages out. Resumes after anything, never does a page twice.",
    epilog="`--debug`, anywhere, shows the traceback of an error. Exit codes are in the README.",
)
app.callback()(main_options)
# In the order in which the help lists them.
app.command("run")(run_command)
app.command("ingest")(ingest_command)
app.command("enqueue")(enqueue_command)
app.command("status")(status_command)
app.command("logs")(logs_command)
app.command("watch")(watch_command)
app.command("report")(report_command)
app.command("retry")(retry_command)
app.command("cancel")(cancel_command)
app.command("verify")(verify_command)
app.command("reset")(reset_command)
app.command("worker", context_settings=PASSED_THROUGH)(worker_command)
app.command("flower", context_settings=PASSED_THROUGH)(flower_command)
app.command("doctor")(doctor_command)
app.command("config")(config_command)


def main() -> None:
    """Entry point: runs a command and turns errors into one line and an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(arguments)
    except LeafmarkError as error:
        _give_up(f"{_name()}: {error}", error.exit_code, debug=debug)
    except Exception as error:  # noqa: BLE001  # whatever nobody foresaw is said in one line as well
        what = f"{_name()}: unexpected error, please report it: {type(error).__name__}: {error} (see --debug)"
        _give_up(what, LeafmarkError.exit_code, debug=debug)
    finally:
        opened.close()


def _name() -> str:
    """The command as it was typed: there are two names for it."""
    return "leafmark" if Path(sys.argv[0]).name == "leafmark" else "producer"


def _give_up(message: str, exit_code: int, *, debug: bool) -> NoReturn:
    """End with one line for a person; with `--debug` after the traceback of the error being handled."""
    if debug:
        traceback.print_exc()
    notes.print(in_one_line(message, most=2000))
    sys.exit(exit_code)


if __name__ == "__main__":
    main()

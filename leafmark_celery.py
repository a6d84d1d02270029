"""What Celery's command line loads before it looks for an application: makes sure that `-A worker` is Leafmark's.

Celery looks for the application in the working directory first. This module is loaded before that, as a plug-in of
Celery's command line (entry point `celery.commands`), and imports Leafmark from where it is installed. It has a
name of its own so that a `worker.py` in the working directory does not hide it as well.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import click

_APPLICATION = "worker"
_OPTIONS = ("-A", "--app")


def named_application(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the application that Celery's command line is asked for; empty for none."""
    for argument, following in pairwise([*arguments, ""]):
        if argument in _OPTIONS:
            return following
        if argument.startswith("--app="):
            return argument.removeprefix("--app=")
        if argument.startswith("-A"):
            return argument.removeprefix("-A").removeprefix("=")
    return environment.get("APP", "")


def import_installed() -> None:
    """Import Leafmark's application with the working directory off the path, and name what is there in its place.

    It stays off the path, and off that of Python processes that this one starts.
    """
    here = Path.cwd()
    # `python -m celery` has the working directory first.
    if not sys.flags.safe_path and Path(sys.path[0]).resolve() == here.resolve():
        del sys.path[0]
    from worker.launch.child_processes import safe_path_variables  # noqa: PLC0415  # now that the path is safe
    from worker.launch.shadowing import shadowing_files  # noqa: PLC0415

    os.environ.update(safe_path_variables(os.environ))
    for found in shadowing_files(here):
        sys.stderr.write(
            f"leafmark: {found} has the name of a package of Leafmark and is not run; start Celery in another "
            "folder, or use `producer worker` and `producer flower`\n"
        )
    import worker.celery  # noqa: PLC0415
    import worker.tasks  # noqa: F401, PLC0415


@click.command("leafmark", hidden=True)
def command() -> None:
    """Print where Leafmark is installed."""
    import worker  # noqa: PLC0415  # imported when it is asked for

    click.echo(Path(worker.__file__).parent)


_wanted = named_application(sys.argv[1:], os.environ).partition(":")[0].partition(".")[0]
# `worker.launch.safe_celery` has imported it by now.
if _wanted == _APPLICATION and "worker.celery" not in sys.modules:
    import_installed()

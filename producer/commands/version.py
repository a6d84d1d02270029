"""`producer --version`."""

from typing import Annotated

import typer

from producer.console import results
from worker.introduction import package_version


def _show(wanted: bool) -> None:
    if wanted:
        results.print(f"leafmark {package_version('leafmark')}")
        raise typer.Exit


def main_options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show, is_eager=True)
    ] = False,
) -> None:
    """What can be said before the name of a command."""

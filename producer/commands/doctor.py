"""`producer doctor`."""

from typing import Annotated

import typer
from rich.text import Text

from checkpointing.errors import DoctorError
from checkpointing.plurals import counted
from producer.commands import completion
from producer.commands.options import AsJson
from producer.doctor.check import Area, Check, Level, checks_json, count
from producer.program import opened
from producer.setting_options import origins_in_force
from producer.terminal.console import print_json, results
from worker.config.settings import load_settings
from worker.deployment import Deployment

_STYLES = {Level.NOTE: "cyan", Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}


def doctor_command(
    only: Annotated[
        str | None,
        typer.Option(
            metavar="AREA,…", help=f"Only these areas: {', '.join(Area)}.", autocompletion=completion.areas
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Count warnings as problems, also about parts that are missing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only what changes the exit code.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check storage, Redis, workers, models and settings. Prints how to fix problems; changes nothing.

    Each line is a check: ok, note, warning or problem, and what to do. The exit code is 12 if there are problems.

    Example: `producer doctor --only storage,redis --quiet`
    """
    areas = _areas(only)
    # Celery takes half a second to import.
    from producer.doctor.examine import examine
    from worker.app import make_app

    settings = load_settings(warn=bool)
    app = make_app(settings)
    deployment = Deployment(settings, app)
    opened.callback(deployment.close)
    counts = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
    checks: list[Check] = []
    for check in examine(deployment.store, deployment.queues, app, origins_in_force(), areas, strict=strict):
        checks.append(check)
        if not as_json and (not quiet or check.level in counts):
            results.print(Text(check.line(), style=_STYLES[check.level] if check.level is not Level.OK else ""))
    if as_json:
        print_json(checks_json(checks))
    problems, warnings = count(checks, Level.PROBLEM), count(checks, Level.WARNING)
    if problems or (strict and warnings):
        raise DoctorError(
            f"{counted(problems, 'problem')} and {counted(warnings, 'warning')}; each line says what to do"
        )


def _areas(only: str | None) -> list[Area]:
    names = [] if only is None else [name.strip() for name in only.split(",")]
    unknown = [name for name in names if name not in set(Area)]
    if unknown:
        raise typer.BadParameter(
            f"there is no area {unknown[0]!r}; areas: {', '.join(Area)}", param_hint="'--only'"
        )
    return [Area(name) for name in names]

"""`producer reset`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from checkpointing.errors import NotConfirmedError
from checkpointing.money import dollars
from checkpointing.outputs import SET_ASIDE
from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from producer.commands import completion
from producer.commands.options import AsJson, ScanId
from producer.open_deployment import open_deployment
from producer.terminal.console import notes, print_json, results
from producer.terminal.progress import counting_on

if TYPE_CHECKING:
    from producer.planning.reset import Reset


def reset_command(
    scan_id: ScanId,
    stage: Annotated[
        str, typer.Option(metavar="STAGE", help="The stage to reset.", autocompletion=completion.stages)
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Reset a stage to the state before its first page. Asks for confirmation; keeps outputs and recorded cost.

    The outputs are moved to a folder `set_aside`. Refused while workers have pages of the stage in hand. Needs
    Redis, to take its waiting pages out of the queue.

    Example: `producer reset moby-dick --stage ocr`
    """
    from producer.planning.reset import look, reset

    deployment = open_deployment()
    ref = StageRef(scan_id, stage)
    there = look(deployment.store, ref)
    kept = deployment.store.outputs(ref).path / SET_ASIDE
    if there is None:
        if as_json:
            print_json({"scan_id": scan_id, "stage": stage, "reset": False})
        else:
            results.print(f"{ref}: it has not begun, nothing to reset")
        return
    if not yes:
        _ask(there)
    done = reset(deployment.store, deployment.queues, ref, counting_on(notes))
    if as_json:
        form = {"scan_id": scan_id, "stage": stage, "reset": True} | asdict(done) | {"set_aside": str(kept)}
        print_json(form)
        return
    pages, outputs = counted(done.completed, "complete page"), counted(done.outputs, "output is", "outputs are")
    results.print(f"{ref}: {pages} reset, {outputs} kept in {kept}; {dollars(done.total_cost_usd)} stays recorded")


def _ask(there: Reset) -> None:
    if not sys.stdin.isatty():
        raise NotConfirmedError(
            "reset asks for confirmation, and there is no terminal", hint="add --yes to confirm"
        )
    pages, outputs = counted(there.completed, "complete page"), counted(there.outputs, "output")
    notes.print(
        f"This resets {there.scan_id}/{there.stage}: {pages}, {outputs} (set aside), "
        f"{dollars(there.total_cost_usd)} spent (stays recorded). Type yes to continue: ",
        end="",
    )
    if sys.stdin.readline().strip() != "yes":
        raise NotConfirmedError("not confirmed, nothing was changed")

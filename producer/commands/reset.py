"""`producer reset`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from checkpointing.errors import NotConfirmedError
from checkpointing.money import dollars
from checkpointing.plurals import counted
from checkpointing.refs import StageRef, check_scan_id
from producer.commands import completion
from producer.commands.options import AsJson, ScanId
from producer.open_deployment import open_deployment
from producer.output_dir import SET_ASIDE
from producer.terminal.console import notes, print_json, results
from producer.terminal.progress import counting_on
from worker.config.settings import load_settings

if TYPE_CHECKING:
    from producer.planning.reset import Reset


def reset_command(
    scan_id: ScanId,
    stage: Annotated[str, typer.Option(metavar="STAGE", help="Stage to forget.", autocompletion=completion.stages)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget a stage, to begin it anew. Asks first. Its outputs are set aside, its cost stays counted.

    Refused while workers have pages of it in hand. Needs Redis: pages that wait there are taken out.

    Example: `producer reset moby-dick --stage ocr`
    """
    from producer.planning.reset import look, reset

    deployment = open_deployment(load_settings())
    there = look(deployment, StageRef(check_scan_id(scan_id), stage))
    if there is None and as_json:
        print_json({"scan_id": scan_id, "stage": stage, "reset": False})
        return
    if there is None:
        results.print(f"{scan_id}/{stage}: it has not begun, nothing to reset")
        return
    if not yes:
        _ask(there)
    done = reset(deployment, StageRef(scan_id, stage), counting_on(notes))
    kept = deployment.store.outputs(StageRef(scan_id, stage)).path / SET_ASIDE
    if as_json:
        print_json({"scan_id": scan_id, "stage": stage, "reset": True, **_as_json(done), "set_aside": str(kept)})
        return
    pages, outputs = counted(done.completed, "complete page"), counted(done.outputs, "output is", "outputs are")
    results.print(
        f"{scan_id}/{stage}: {pages} forgotten, {outputs} kept in {kept}; "
        f"{dollars(done.total_cost_usd)} stays counted"
    )


def _as_json(done: Reset) -> dict[str, Any]:
    return {"completed": done.completed, "outputs": done.outputs, "total_cost_usd": done.total_cost_usd}


def _ask(there: Reset) -> None:
    """Insist on a yes.

    Raises:
        NotConfirmedError: there was none.
    """
    if not sys.stdin.isatty():
        raise NotConfirmedError("reset asks first, and here is no terminal to ask on; add --yes if you mean it")
    pages, outputs = counted(there.completed, "complete page"), counted(there.outputs, "output")
    notes.print(
        f"This forgets {there.scan_id}/{there.stage}: {pages}, {outputs} (set aside), "
        f"{dollars(there.total_cost_usd)} spent (it stays counted). Type yes to go on: ",
        end="",
    )
    if sys.stdin.readline().strip() != "yes":
        raise NotConfirmedError("not confirmed, nothing was changed")

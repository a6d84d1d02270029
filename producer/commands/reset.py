"""`producer reset`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from checkpointing.errors import NotConfirmedError
from checkpointing.money import dollars
from producer import completion
from producer.commands import options
from producer.commands.options import ScanId
from producer.console import notes, results
from producer.folder import SET_ASIDE
from producer.progress import counting_on
from worker.scan import check_scan_id
from worker.settings import load_settings

if TYPE_CHECKING:
    from producer.reset import Reset


def reset_command(
    scan_id: ScanId,
    stage: Annotated[str, typer.Option(help="Stage to forget.", autocompletion=completion.stages)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget a stage, to begin it anew. Asks first. Its outputs are set aside, its cost stays counted.

    Refused while workers have pages of it in hand. Needs Redis: pages that wait there are taken out.

    Example: `producer reset moby-dick --stage ocr`
    """
    from producer.reset import look, reset

    workshop = options.open_workshop(load_settings())
    there = look(workshop, check_scan_id(scan_id), stage)
    if there is None:
        results.print(f"{scan_id}/{stage}: it has not begun, nothing to reset")
        return
    if not yes:
        _ask(there)
    done = reset(workshop, scan_id, stage, counting_on(notes))
    kept = workshop.outputs(scan_id, stage).path / SET_ASIDE
    results.print(
        f"{scan_id}/{stage}: {done.completed} complete pages forgotten, {done.outputs} outputs are kept in {kept}; "
        f"{dollars(done.total_cost_usd)} stays counted"
    )


def _ask(there: Reset) -> None:
    """Insist on a yes.

    Raises:
        NotConfirmedError: there was none.
    """
    if not sys.stdin.isatty():
        raise NotConfirmedError("reset asks first, and here is no terminal to ask on; add --yes if you mean it")
    notes.print(
        f"This forgets {there.scan_id}/{there.stage}: {there.completed} complete pages, {there.outputs} outputs "
        f"(they are set aside), {dollars(there.total_cost_usd)} spent (it stays counted). Type yes to go on: ",
        end="",
    )
    if sys.stdin.readline().strip() != "yes":
        raise NotConfirmedError("not confirmed, nothing was changed")

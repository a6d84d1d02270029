"""What `producer profile` prints."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from checkpointing.plurals import counted
from producer.planning.profile_view import ProfileChange, ProfileView
from worker.config.setting_sources import Source
from worker.ocr.engines.registry import takes_language


def profile_json(view: ProfileView, change: ProfileChange | None) -> dict[str, object]:
    """Return the form that `producer profile --json` prints."""
    values = {each.name: {"value": each.value, "source": each.source, "place": each.place} for each in view.values}
    form: dict[str, object] = {
        "scan_id": view.scan_id,
        "profile": values,
        "engine": view.engine,
        "languages": view.languages,
        "unknown": view.unknown,
    }
    if change is not None:
        stale = change.stale
        form["changed"] = change.changed
        form["stale"] = None if stale is None else {stage: sorted(pages) for stage, pages in stale.items()}
    return form


def profile_table(view: ProfileView) -> Table:
    """Return the values with their sources."""
    table = Table(box=None, pad_edge=False)
    for column in ("profile", "value", "from"):
        table.add_column(column, overflow="fold")
    for each in view.values:
        is_default = each.source == Source.DEFAULT
        place = each.source if is_default else f"{each.source}: {each.place}"
        table.add_row(each.name, Text(str(each.value)), Text(place, style="dim" if is_default else ""))
    return table


def reading_lines(view: ProfileView) -> Iterator[str]:
    """Yield what results from the values."""
    if view.unknown:
        yield f"How it is read is not known on this machine: {view.unknown}"
    elif view.languages:
        yield f"It is read by {view.engine}, whose names of the languages are {view.languages}."
    else:
        ignores = "" if takes_language(view.engine) else ", which ignores lang and typeface"
        yield f"It is read by {view.engine}{ignores}."


def change_lines(scan_id: str, change: ProfileChange) -> Iterator[str]:
    """Yield what a change has done."""
    if not change.changed:
        yield "The profile already has these values; nothing changed."
    elif change.stale is None:
        yield f"Changed. On a machine that can read it, `producer enqueue {scan_id} --dry-run` shows stale pages."
    elif not change.stale:
        yield "Changed. No page became stale by it."
    else:
        pages = " and ".join(f"{counted(len(pages), 'page')} of {stage}" for stage, pages in change.stale.items())
        yield f"Changed. {pages} became stale; `producer enqueue {scan_id} --refresh-stale` reads them again."

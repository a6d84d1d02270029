"""What `producer profile` prints."""

from collections.abc import Iterator
from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from checkpointing.money import dollars
from checkpointing.plurals import counted
from producer.page_ranges import show_ranges
from producer.planning.cost_estimate import describe
from producer.planning.profile_effect import ProfileEffect, StagePrice
from producer.planning.profile_view import ENQUEUE, PAGES, HowRead, ProfileView
from worker.config.setting_sources import Source
from worker.ocr.engines.registry import takes_language


def profile_json(view: ProfileView, effect: ProfileEffect | None, *, dry_run: bool = False) -> dict[str, object]:
    """Return the form that `producer profile --json` prints."""
    form: dict[str, object] = {"scan_id": view.scan_id, **_how_json(view.book)}
    form["pages"] = [{"pages": each.pages, **_how_json(each.how)} for each in view.parts]
    if effect is not None:
        stale = effect.stale
        form["dry_run"] = dry_run
        form["changed"] = effect.changed
        form["stale"] = None if stale is None else {stage: sorted(pages) for stage, pages in stale.items()}
        form["price"] = None if stale is None else _price_json(effect)
    return form


def _how_json(how: HowRead) -> dict[str, object]:
    values = {each.name: {"value": each.value, "source": each.source, "place": each.place} for each in how.values}
    return {"profile": values, "engine": how.engine, "languages": how.languages, "unknown": how.unknown}


def _price_json(effect: ProfileEffect) -> dict[str, object]:
    return {
        "expected_usd": effect.expected_usd,
        "high_usd": effect.high_usd,
        "stages": [asdict(each) for each in effect.price],
    }


def tables(view: ProfileView, *, of_pages: bool) -> Iterator[Table | str]:
    """Yield how a book is read, and how pages with a profile of their own are read.

    Args:
        view: what is shown.
        of_pages: whether only the pages of the view are shown, with the values of the book that apply to them.
    """
    if not of_pages:
        yield _table("profile", view.book)
        yield _reading_line(view.book, "it is", "It is")
    for part in view.parts:
        yield _table(f"pages {show_ranges(part.pages)}", part.how, only="" if of_pages else PAGES)
        yield _reading_line(part.how, "they are", "They are")
    shown = (view.book, *(part.how for part in view.parts))
    if any(each.source == ENQUEUE for how in shown for each in how.values):
        yield "Settings here differ from those of the last enqueue; the next one here records its own."


def _table(title: str, how: HowRead, only: str = "") -> Table:
    """Return values with their sources; `only` is the one source of the values that are shown."""
    table = Table(box=None, pad_edge=False)
    for column in (title, "value", "from"):
        table.add_column(column, overflow="fold")
    for each in how.values:
        is_default = each.source == Source.DEFAULT
        place = each.source if is_default else f"{each.source}: {each.place}"
        if each.source == only or not only:
            table.add_row(each.name, Text(str(each.value)), Text(place, style="dim" if is_default else ""))
    return table


def _reading_line(how: HowRead, subject: str, start: str) -> str:
    """Return what results from the values."""
    if how.unknown:
        return f"How {subject} read is not known on this machine: {how.unknown}"
    if how.languages:
        return f"{start} read by {how.engine}, whose names of the languages are {how.languages}."
    ignores = "" if takes_language(how.engine) else ", which ignores lang and typeface"
    return f"{start} read by {how.engine}{ignores}."


def effect_lines(scan_id: str, effect: ProfileEffect, *, dry_run: bool) -> Iterator[str]:
    """Yield what a change has done, or would do."""
    start, became = ("", "would become") if dry_run else ("Changed. ", "became")
    if not effect.changed:
        yield "The profile already has these values; nothing changed."
    elif effect.stale is None:
        yield f"{start}On a machine that can read it, `producer enqueue {scan_id} --dry-run` shows stale pages."
    elif not effect.stale:
        yield f"{start}No page {became} stale by it."
    else:
        pages = " and ".join(f"{counted(len(pages), 'page')} of {stage}" for stage, pages in effect.stale.items())
        again = f"`producer enqueue {scan_id} --refresh-stale` reads them again"
        yield f"{start}{pages} {became} stale; {again}."
        yield "Processing them again, and what later stages made from them:"
        for price in effect.price:
            yield from (f"  {line}" for line in _price_lines(price))
        yield from _total_lines(effect)
    for stage, count in effect.already.items():
        yield f"{counted(count, 'page')} of {stage} {'was' if count == 1 else 'were'} stale before."


def _price_lines(price: StagePrice) -> Iterator[str]:
    """Yield the estimate of a stage that calls a model, or the CPU time of another one; and the cost so far."""
    so_far = []
    if price.spent_usd:
        so_far.append(f"so far {dollars(price.spent_usd)}")
    if price.cpu_seconds is not None and price.forecast is None:
        whole = price.cpu_pages == price.pages
        of_pages = "" if whole else f" (on record for {counted(price.cpu_pages, 'page')})"
        so_far.append(f"so far {price.cpu_seconds:.1f} CPU seconds{of_pages}")
    first, *others = describe(price.forecast) if price.forecast else [_free(price)]
    yield "; ".join([first, *so_far])
    yield from others


def _free(price: StagePrice) -> str:
    return f"{price.stage}: {counted(price.pages, 'page')}, no calls of a model"


def _total_lines(effect: ProfileEffect) -> Iterator[str]:
    asking = [each for each in effect.price if each.forecast]
    expected, high = effect.expected_usd, effect.high_usd
    if len(asking) > 1 and expected is not None and high is not None:
        yield f"  in all: {dollars(expected)} expected, {dollars(high)} at the 90th percentile"

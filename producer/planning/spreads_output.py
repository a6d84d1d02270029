"""What `producer spreads` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from checkpointing.money import dollars
from checkpointing.plurals import counted
from producer.ingest.ingest_output import doubtful_spreads, spread_line
from producer.page_ranges import show_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from producer.planning.spread_change import SpreadChange, StageEffect
    from worker.pages.metadata import ScanMetadata


def change_lines(change: SpreadChange, *, dry_run: bool) -> Iterator[str]:
    """Yield what was done, or would be done in a dry run."""
    made, pages = change.renumbering, change.renumbering.pages
    scan_id = made.before.scan_id
    after = made.before.source.model_copy(update={"spreads": made.spreads})
    if change.replaced:
        yield f"{scan_id}: the pictures of replaced pages stay as they are ({show_pages(list(change.replaced))})"
    yield from doubtful_spreads(change.doubts)
    if not change.changes_pages:
        yield f"{scan_id}: no page changes; {spread_line(after)}"
        return
    was, would = counted(made.before.total_pages, "page"), "would have" if dry_run else "has"
    yield f"{scan_id} had {was} and {would} {pages.total_pages}; {spread_line(after)}"
    yield f"pages that stay the same: {len(pages.kept)}; to be read: {len(pages.new)} ({show_pages(pages.new)})"
    for each in change.stages:
        yield f"{scan_id}/{each.stage}: {_effect(each)}"


def _effect(effect: StageEffect) -> str:
    parts = [f"{counted(effect.kept, 'complete page')} kept"]
    if effect.gone:
        cost = f", which cost {dollars(effect.gone_usd)} (stays on record)" if effect.gone_usd else ""
        parts.append(f"{effect.gone} no longer in the book{cost}")
    price = (
        f"about {dollars(effect.again_usd)}" if effect.again_usd else "",
        f"about {effect.again_cpu_seconds:.0f} CPU seconds" if effect.again_cpu_seconds else "",
    )
    if any(price):
        parts.append(f"the new ones take {' and '.join(part for part in price if part)}")
    return "; ".join(parts)


def change_json(change: SpreadChange, *, dry_run: bool) -> dict[str, Any]:
    """Return the form that `producer spreads --set ... --json` prints."""
    made, pages = change.renumbering, change.renumbering.pages
    return {
        "scan_id": made.before.scan_id,
        "dry_run": dry_run,
        "total_pictures": made.before.source.total_images,
        "spreads": len(made.spreads),
        "total_pages_before": made.before.total_pages,
        "total_pages": pages.total_pages,
        "new_pages": pages.new,
        "gone_pages": pages.gone,
        "doubtful_spreads": sorted(change.doubts),
        "replaced_pages": list(change.replaced),
        "stages": [asdict(each) for each in change.stages],
    }


def shown_json(metadata: ScanMetadata) -> dict[str, Any]:
    """Return the form that `producer spreads --json` prints without a change."""
    return {
        "scan_id": metadata.scan_id,
        "total_pictures": metadata.source.total_images,
        "total_pages": metadata.total_pages,
        "spreads": [spread.model_dump(mode="json") for spread in metadata.source.spreads],
    }

"""Where a checkpoint contradicts itself, or the book it is about. Looks at nothing but the checkpoint."""

import json
from collections.abc import Iterator
from typing import Any

from checkpointing.checkpoint import CHECKPOINT_VERSION, Checkpoint
from checkpointing.money import add_usd
from checkpointing.plurals import counted
from checkpointing.status import Status
from producer.page_ranges import show_pages


def contradictions(checkpoint: Checkpoint, raw: bytes, total_pages: int) -> Iterator[str]:
    """What does not add up, in words.

    Args:
        checkpoint: as it was read.
        raw: its file: what is computed for readers of any language stands only there.
        total_pages: of the book, as its metadata says.
    """
    if checkpoint.total_pages != total_pages:
        yield f"the checkpoint says {counted(checkpoint.total_pages, 'page')}, metadata.json says {total_pages}"
    yield from _pages_that_cannot_be(checkpoint, total_pages)
    both = sorted(checkpoint.quarantined() & checkpoint.pages.keys())
    if both:
        yield f"complete and in quarantine at once: page {show_pages(both)}"
    cost = cost_of_pages(checkpoint, total_pages)
    if cost > checkpoint.total_cost_usd:
        yield f"its pages cost ${cost:.6f} together, the total says ${checkpoint.total_cost_usd:.6f}"
    if checkpoint.status is Status.COMPLETED and len(checkpoint.pages) < total_pages:
        yield f"the status is completed, with {len(checkpoint.pages)} of {counted(total_pages, 'page')} complete"
    yield from _counts_that_do_not_add_up(checkpoint, json.loads(raw))


def cost_of_pages(checkpoint: Checkpoint, total_pages: int) -> float:
    """What the complete pages of the book have cost together, as far as is known: the total is never less."""
    records = (record for page, record in checkpoint.pages.items() if page <= total_pages)
    return add_usd(*(record.cost_usd or 0.0 for record in records))


def _pages_that_cannot_be(checkpoint: Checkpoint, total_pages: int) -> Iterator[str]:
    complete = sorted(page for page in checkpoint.pages if page > total_pages)
    if complete:
        yield f"complete, but not in the book: page {show_pages(complete)}"
    quarantined = sorted(page for page in checkpoint.quarantined() if page > total_pages)
    if quarantined:
        yield f"in quarantine, but not in the book: page {show_pages(quarantined)}"
    asked = [pages for pages in checkpoint.requested if max(pages) > total_pages]
    if asked:
        yield f"asked for, but not in the book: pages {asked[0][0]} to {asked[0][1]}"


def _counts_that_do_not_add_up(checkpoint: Checkpoint, form: dict[str, Any]) -> Iterator[str]:
    """Somebody edited the file and left the counts: `completed_pages` is what decides."""
    if form.get("version") != CHECKPOINT_VERSION:
        return
    said = form.get("progress", {})
    for name, number in checkpoint.progress.items():
        if name != "percent" and isinstance(said, dict) and said.get(name, number) != number:
            yield f"progress.{name} says {json.dumps(said[name])[:20]}, there are {number}"
    surplus = form.get("pages", {}).keys() - {str(page) for page in checkpoint.pages}
    if surplus:
        records = counted(len(surplus), "record of completion is", "records of completion are")
        yield f"{records} of pages that completed_pages does not name"

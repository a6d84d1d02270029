"""Find where a checkpoint contradicts itself, or the metadata of its book. Reads only the checkpoint."""

import json
from collections.abc import Iterator
from typing import Any

from checkpointing.checkpoint import CHECKPOINT_VERSION, Checkpoint
from checkpointing.money import add_usd
from checkpointing.plurals import counted
from checkpointing.status import Status
from producer.page_ranges import show_pages


def contradictions(checkpoint: Checkpoint, raw: bytes, total_pages: int) -> Iterator[str]:
    """Yield each contradiction, in words.

    `raw` is the content of the checkpoint's file, which also has the counts that are computed for other programs.
    """
    if checkpoint.total_pages != total_pages:
        yield f"the checkpoint has {counted(checkpoint.total_pages, 'page')}, metadata.json has {total_pages}"
    yield from _pages_that_cannot_be(checkpoint, total_pages)
    both = sorted(checkpoint.quarantined() & checkpoint.pages.keys())
    if both:
        yield f"both complete and in quarantine: page {show_pages(both)}"
    cost = cost_of_pages(checkpoint, total_pages)
    if cost > checkpoint.total_cost_usd:
        yield f"the sum of the costs of its pages is ${cost:.6f}, but the total is ${checkpoint.total_cost_usd:.6f}"
    if checkpoint.status is Status.COMPLETED and len(checkpoint.pages) < total_pages:
        yield f"the status is completed, with {len(checkpoint.pages)} of {counted(total_pages, 'page')} complete"
    yield from _counts_that_do_not_add_up(checkpoint, json.loads(raw))


def cost_of_pages(checkpoint: Checkpoint, total_pages: int) -> float:
    """Return the sum of the known costs of the complete pages, in USD. The total must not be lower."""
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
        yield f"requested, but not in the book: pages {asked[0][0]} to {asked[0][1]}"


def _counts_that_do_not_add_up(checkpoint: Checkpoint, form: dict[str, Any]) -> Iterator[str]:
    """Yield the counts that differ from `completed_pages`, as after an edit of the file by hand."""
    if form.get("version") != CHECKPOINT_VERSION:
        return
    progress = form.get("progress", {})
    for name, number in checkpoint.progress.items():
        if name != "percent" and isinstance(progress, dict) and progress.get(name, number) != number:
            yield f"progress.{name} is {json.dumps(progress[name])[:20]}, but must be {number}"
    surplus = form.get("pages", {}).keys() - {str(page) for page in checkpoint.pages}
    if surplus:
        yield f"{counted(len(surplus), 'entry of pages is', 'entries of pages are')} not in completed_pages"

"""Plan which pictures count as two pages: which pages stay the same, and what reading the others costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from checkpointing.money import add_usd
from checkpointing.refs import StageRef
from producer.ingest.ingest_source import images_of
from producer.ingest.spread_search import FoundSpreads, SpreadSearch, find_spreads
from producer.planning.page_map import map_pages, pages_of_images
from producer.planning.renumber import Renumbering
from producer.planning.request import check_pages
from worker.pages.metadata import ScanMetadata, Spread
from worker.stages.registry import STAGES

if TYPE_CHECKING:
    from producer.terminal.progress import Counting
    from worker.pages.geometry.settings import Spreads
    from worker.storage.book_store import BookStore


@dataclass(frozen=True, slots=True)
class StageEffect:
    """What a change does to a stage that has begun.

    Attributes:
        kept: the number of complete pages that stay complete.
        gone: the number of complete pages that are not in the book any more.
        gone_usd: what those have cost, in USD; it stays recorded.
        again_usd: about what the new pages cost, in USD, by the mean of the complete ones.
        again_cpu_seconds: the same in CPU seconds; 0 where it was not recorded.
    """

    stage: str
    kept: int
    gone: int
    gone_usd: float
    again_usd: float
    again_cpu_seconds: float


@dataclass(frozen=True, slots=True)
class SpreadChange:
    """A change that was planned.

    Attributes:
        renumbering: what is to be done.
        doubts: why pictures that may be spreads stay whole, by number of the picture.
        replaced: pages that were replaced: their pictures stay as they are.
        stages: those that have begun.
    """

    renumbering: Renumbering
    doubts: dict[int, str] = field(default_factory=dict)
    replaced: tuple[int, ...] = ()
    stages: tuple[StageEffect, ...] = ()

    @property
    def changes_pages(self) -> bool:
        """Whether a picture is split that was whole, or the other way round."""
        return bool(self.renumbering.pages.new)


def plan_change(
    store: BookStore, scan_id: str, mode: Spreads, only: frozenset[int], counting: Counting
) -> SpreadChange:
    """Return the change that makes pictures spreads, or not.

    A picture that is split already keeps its gutter, unless it is to be whole.

    Args:
        store: the books.
        scan_id: the book.
        mode: `no` to have whole pictures, `auto` or `yes` to split them.
        only: pages whose pictures may change; none for all.
        counting: shows progress.

    Raises:
        UnknownNameError: there is no such scan or page.
        StorageError: the storage failed.
    """
    metadata = store.metadata(scan_id)
    check_pages(only, metadata.total_pages)
    source = metadata.source
    images = pages_of_images(source)
    replaced = {page for page in source.replacements if not only or page in only}
    chosen = {
        image
        for image, pages in images.items()
        if (not only or only.intersection(pages)) and not source.replacements.keys() & set(pages)
    }
    by_image = {spread.image: spread for spread in source.spreads}
    found = FoundSpreads()
    if mode == "no":
        by_image = {image: spread for image, spread in by_image.items() if image not in chosen}
    else:
        found = _search(store, metadata, mode, sorted(chosen - by_image.keys()), counting)
        by_image |= {spread.image: spread for spread in found.spreads}
    spreads = tuple(by_image[image] for image in sorted(by_image))
    renumbering = Renumbering(metadata, spreads, map_pages(source, spreads), "" if only else mode)
    stages = tuple(_effects(store, renumbering))
    return SpreadChange(renumbering, found.doubts, tuple(sorted(replaced)), stages)


def _search(
    store: BookStore, metadata: ScanMetadata, mode: Spreads, images: Sequence[int], counting: Counting
) -> FoundSpreads:
    """Return the spreads among some of the pictures of a book, by their numbers in it."""
    settings = store.settings.with_profile(metadata.profile).model_copy(update={"spreads": mode})
    source = metadata.source
    all_images = images_of(store.scan(metadata.scan_id).source_dir, source.kind, source.files)
    found = find_spreads([all_images[image - 1] for image in images], SpreadSearch.by(settings, counting))
    return FoundSpreads(
        tuple(Spread(image=images[each.image - 1], gutter=each.gutter) for each in found.spreads),
        {images[number - 1]: doubt for number, doubt in found.doubts.items()},
    )


def _effects(store: BookStore, change: Renumbering) -> list[StageEffect]:
    effects = []
    gone, new = set(change.pages.gone), len(change.pages.new)
    for name in STAGES:
        records = store.checkpoint_file(StageRef(change.before.scan_id, name)).read().pages
        if not records:
            continue
        costs = [record.cost_usd for record in records.values() if record.cost_usd is not None]
        seconds = [record.cpu_seconds for record in records.values() if record.cpu_seconds is not None]
        effects.append(
            StageEffect(
                stage=name,
                kept=len(records.keys() - gone),
                gone=len(records.keys() & gone),
                gone_usd=add_usd(*(records[page].cost_usd or 0.0 for page in records.keys() & gone)),
                again_usd=add_usd(new * fmean(costs)) if costs else 0.0,
                again_cpu_seconds=new * fmean(seconds) if seconds else 0.0,
            )
        )
    return effects

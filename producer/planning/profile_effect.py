"""What a change of a profile makes stale, and the price of processing those pages again. Reads files only."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from checkpointing.checkpoint import Checkpoint
from checkpointing.money import add_usd
from producer.planning.cost_estimate import Forecast, forecast
from producer.planning.profile_view import view_profile
from producer.planning.stale import find_stale
from producer.status.begun_stages import begun_stages
from worker.pages.metadata import ScanMetadata
from worker.storage.book_store import BookStore


@dataclass(frozen=True, slots=True)
class StagePrice:
    """The price of processing pages of a stage again.

    Attributes:
        pages: how many.
        spent_usd: what they have cost so far, in USD; a page of unknown cost counts as 0.
        cpu_seconds: CPU time that they took, in seconds; None if it was recorded for none of them.
        cpu_pages: the number of pages for which it was recorded.
        forecast: the estimated cost; None for a stage that calls no model.
    """

    stage: str
    pages: int
    spent_usd: float
    cpu_seconds: float | None
    cpu_pages: int
    forecast: Forecast | None


@dataclass(frozen=True, slots=True)
class ProfileEffect:
    """The effect of a change.

    Attributes:
        changed: whether the profile had been different.
        stale: the complete pages that become stale by it, by stage; None where this machine cannot tell.
        already: the number of complete pages that had been stale before, by stage.
        price: of processing the pages in `stale` again, and of the same pages in the stages that are made from
            these, in pipeline order.
    """

    changed: bool
    stale: dict[str, AbstractSet[int]] | None
    already: dict[str, int]
    price: list[StagePrice]

    @property
    def expected_usd(self) -> float | None:
        """The expected cost over all stages, in USD; None if it is not known for one of them."""
        return _sum_of([each.forecast.expected_usd for each in self.price if each.forecast])

    @property
    def high_usd(self) -> float | None:
        """The cost over all stages if every page costs as the 90th percentile, in USD; None if it is not known."""
        return _sum_of([each.forecast.high_usd for each in self.price if each.forecast])


def effect_of(store: BookStore, before: ScanMetadata, after: ScanMetadata, pages: frozenset[int]) -> ProfileEffect:
    """Return the effect of a change of the metadata of a book, before or after it is written.

    Args:
        store: the scans.
        before: the metadata as it was.
        after: the metadata as it is then.
        pages: the pages whose own profile is changed; none for the profile of the book.

    Raises:
        UnknownNameError: there is no such scan or page.
        StorageError: the storage failed.
    """
    changed = (before.profile, before.page_profiles) != (after.profile, after.page_profiles)
    new_store, scan_id = store.with_metadata(after), after.scan_id
    view = view_profile(new_store, scan_id, pages)
    known = [each.how for each in view.parts] if pages else [view.book, *(each.how for each in view.parts)]
    if all(how.unknown for how in known):
        return ProfileEffect(changed, None, {}, [])
    refs = begun_stages(store, scan_id)
    checkpoints = {ref.stage: store.checkpoint_file(ref).read_or_salvage()[0] for ref in refs}
    old = _stale_pages(store.with_metadata(before), checkpoints)
    now = _stale_pages(new_store, checkpoints)
    new = {stage: numbers - old.get(stage, set()) for stage, numbers in now.items()}
    stale = {stage: numbers for stage, numbers in new.items() if numbers}
    already = {stage: len(numbers & old[stage]) for stage, numbers in now.items() if numbers & old[stage]}
    return ProfileEffect(changed, stale, already, _price_of(new_store, checkpoints, stale))


def _stale_pages(store: BookStore, checkpoints: Mapping[str, Checkpoint]) -> dict[str, AbstractSet[int]]:
    """Return the stale pages of the stages that read the source; later stages follow when these are done again."""
    return {
        stage: find_stale(store, checkpoint.ref, checkpoint.pages).keys()
        for stage, checkpoint in checkpoints.items()
        if not store.stages.get(stage).depends_on
    }


def _price_of(
    store: BookStore, checkpoints: Mapping[str, Checkpoint], stale: Mapping[str, AbstractSet[int]]
) -> list[StagePrice]:
    again = {stage: set(pages) for stage, pages in stale.items()}
    prices = []
    for stage, checkpoint in checkpoints.items():
        for earlier in store.stages.get(stage).depends_on:
            # A page without recorded inputs does not become stale.
            made = {page for page in again.get(earlier, ()) if page in checkpoint.pages}
            again.setdefault(stage, set()).update(page for page in made if checkpoint.pages[page].made_from)
        pages = sorted(again.get(stage, ()))
        if not pages:
            continue
        records = [checkpoint.pages[page] for page in pages]
        seconds = [record.cpu_seconds for record in records if record.cpu_seconds is not None]
        prices.append(
            StagePrice(
                stage=stage,
                pages=len(pages),
                spent_usd=add_usd(*(record.cost_usd or 0.0 for record in records)),
                cpu_seconds=sum(seconds) if seconds else None,
                cpu_pages=len(seconds),
                forecast=forecast(store, checkpoint.ref, pages),
            )
        )
    return prices


def _sum_of(amounts: list[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return add_usd(*known) if len(known) == len(amounts) else None

"""Which page of a book becomes which, when the pictures that count as two pages change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from producer.page_ranges import runs
from worker.pages.metadata import ScanMetadata, ScanSource, Spread


@dataclass(frozen=True, slots=True)
class PageMap:
    """Pages before and after a change.

    Attributes:
        kept: the new number of each page that stays the same, by its old number.
        heirs: the new page that each old page's spending is recorded with; for a page that stays the same, itself.
        origins: the old page whose own profile each new page has.
        total_pages: after the change.
    """

    kept: Mapping[int, int]
    heirs: Mapping[int, int]
    origins: Mapping[int, int]
    total_pages: int

    @property
    def gone(self) -> list[int]:
        """The old pages that are not in the book any more."""
        return sorted(self.heirs.keys() - self.kept.keys())

    @property
    def new(self) -> list[int]:
        """The new pages that are to be read."""
        return sorted(set(range(1, self.total_pages + 1)).difference(self.kept.values()))

    def heir(self, page: int) -> int:
        """Return the new page that an old page's spending is recorded with; of a page past the end the last one."""
        return self.heirs.get(page, self.total_pages)


def pages_of_images(source: ScanSource) -> dict[int, list[int]]:
    """Return the pages on each source image, by its number."""
    spreads = {spread.image for spread in source.spreads}
    pages: dict[int, list[int]] = {}
    page = 1
    for image in range(1, source.total_images + 1):
        count = 2 if image in spreads else 1
        pages[image] = list(range(page, page + count))
        page += count
    return pages


def map_pages(before: ScanSource, spreads: tuple[Spread, ...]) -> PageMap:
    """Return how pages are renumbered when these pictures, and no others, are spreads."""
    after = before.model_copy(update={"spreads": spreads})
    old, new = pages_of_images(before), pages_of_images(after)
    gutters = [{spread.image: spread.gutter for spread in each.spreads} for each in (before, after)]
    kept: dict[int, int] = {}
    heirs: dict[int, int] = {}
    origins: dict[int, int] = {}
    for image, pages in old.items():
        now = new[image]
        if gutters[0].get(image) == gutters[1].get(image):
            kept.update(zip(pages, now, strict=True))
            heirs.update(zip(pages, now, strict=True))
            origins.update(zip(now, pages, strict=True))
            continue
        heirs.update(dict.fromkeys(pages, now[0]))
        origins.update(zip(now, pages if len(pages) == len(now) else [pages[0]] * len(now), strict=True))
    return PageMap(kept, heirs, origins, after.total_pages)


def renumbered_form(
    form: Mapping[str, Any], metadata: ScanMetadata, spreads: tuple[Spread, ...], pages: PageMap, mode: str
) -> dict[str, Any]:
    """Return the metadata after the change, as JSON; what a newer version has added stays.

    Args:
        form: the metadata as JSON.
        metadata: the same.
        spreads: that the book has from now on.
        pages: how they are renumbered. A page that was replaced stays the same.
        mode: for the profile of the book; empty to leave that.
    """
    changed = dict(form)
    source = dict(changed["source"])
    source.pop("spreads", None)
    if spreads:
        source["spreads"] = [spread.model_dump(mode="json") for spread in spreads]
    if source.get("replaced"):
        source["replaced"] = [{**each, "page": pages.kept[each["page"]]} for each in source["replaced"]]
    changed["source"] = source
    changed["total_pages"] = pages.total_pages
    if mode:
        changed["profile"] = {**changed.get("profile", {}), "spreads": mode}
    if metadata.page_profiles:
        changed["page_profiles"] = _page_profiles(form["page_profiles"], metadata, pages)
    return changed


def _page_profiles(entries: list[dict[str, Any]], metadata: ScanMetadata, pages: PageMap) -> list[dict[str, Any]]:
    """Return the entries of `page_profiles` with new numbers; a new page has the profile of its origin."""
    renumbered = []
    for entry, profile in zip(entries, metadata.page_profiles, strict=True):
        numbers = [page for page, origin in sorted(pages.origins.items()) if profile.includes(origin)]
        if numbers:
            renumbered.append({**entry, "pages": [list(each) for each in runs(numbers)]})
    return renumbered

"""How a book and its pages are read: the profiles, where each value comes from, and the engine that results."""

from collections.abc import Mapping
from dataclasses import dataclass

from checkpointing.errors import SettingsError
from checkpointing.fields import PageRange
from producer.page_ranges import runs
from producer.planning.request import check_pages
from producer.setting_options import InForce, in_force, origins_in_force
from worker.config.settings import PROFILE_SETTINGS
from worker.ocr.engines.registry import make_engine
from worker.pages.book_profile import NO_PROFILE, BookProfile
from worker.pages.metadata import ScanMetadata
from worker.storage.book_store import BookStore

BOOK = "book"
"""The source of a value that the profile of the book has; other sources are those of settings."""
PAGES = "pages"
"""The source of a value that pages have of their own."""
ENQUEUE = "enqueue"
"""The source of a value that was in force where the book was enqueued last, and is another one here."""


@dataclass(frozen=True, slots=True)
class ValueInForce:
    """A value by which a book, or some of its pages, are read.

    Attributes:
        source: `pages`, `book`, `enqueue`, or the source of the setting that applies instead.
        place: the file, variable or option that has it; empty for a default.
    """

    name: str
    value: str | int
    source: str
    place: str


@dataclass(frozen=True, slots=True)
class HowRead:
    """How pages are read.

    Attributes:
        values: one for each field of the profile.
        engine: the engine that results; empty if none does.
        languages: the engine's own names of the languages; empty if it ignores them, or `unknown` is not.
        unknown: why this machine cannot tell how the engine reads, in one line; else empty.
    """

    values: tuple[ValueInForce, ...]
    engine: str
    languages: str
    unknown: str


@dataclass(frozen=True, slots=True)
class PagesRead:
    """How some pages of a book are read; the pages as ranges, each with first and last page, in order."""

    pages: tuple[PageRange, ...]
    how: HowRead


@dataclass(frozen=True, slots=True)
class ProfileView:
    """How a book is read.

    Attributes:
        book: how its pages are read that have no profile of their own.
        parts: the pages that have one; if the view is of some pages only, these, with or without one.
    """

    scan_id: str
    book: HowRead
    parts: tuple[PagesRead, ...]


def view_profile(store: BookStore, scan_id: str, pages: frozenset[int] = frozenset()) -> ProfileView:
    """Return how workers read a book; by the settings of this machine as long as it was never enqueued.

    Args:
        store: the scans.
        scan_id: of the book.
        pages: the pages to show; none for all that have a profile of their own.

    Raises:
        UnknownNameError: there is no such scan, or no such page.
        InputError: its metadata is broken.
    """
    metadata = store.metadata(scan_id)
    settings = {each.name: each for each in in_force(store.settings, origins_in_force())}
    place = str(store.scan(scan_id).record_path)
    alike: dict[BookProfile, list[PageRange]] = {}
    if pages:
        numbers: dict[BookProfile, list[int]] = {}
        for page in check_pages(pages, metadata.total_pages):
            numbers.setdefault(metadata.own_profile_of(page), []).append(page)
        alike = {own: runs(of_profile) for own, of_profile in numbers.items()}
    else:
        for each in metadata.page_profiles:
            alike.setdefault(each.profile, []).extend(each.pages)
    parts = (
        PagesRead(tuple(sorted(ranges)), _how(store, metadata, own, settings, place))
        for own, ranges in alike.items()
    )
    return ProfileView(scan_id, _how(store, metadata, NO_PROFILE, settings, place), tuple(parts))


def _how(
    store: BookStore, metadata: ScanMetadata, own: BookProfile, settings: Mapping[str, InForce], place: str
) -> HowRead:
    """Return how pages are read; `own` has the fields that they have of their own, `place` is the metadata file."""
    said = {PAGES: own.model_dump(), BOOK: metadata.profile.model_dump()}
    recorded = metadata.defaults.model_dump()
    values = []
    for name, setting in PROFILE_SETTINGS.items():
        source = next((source for source, fields in said.items() if name in fields), None)
        value, origin = getattr(store.settings, setting), settings[setting].origin
        if source is not None:
            values.append(ValueInForce(name, said[source][name], source, place))
        elif recorded.get(name, value) != value:
            values.append(ValueInForce(name, recorded[name], ENQUEUE, place))
        else:
            values.append(ValueInForce(name, value, origin.source.value, origin.place))
    engine = languages = unknown = ""
    try:
        wanted = store.settings.with_profile(metadata.defaults.changed_by(metadata.profile).changed_by(own))
        engine = wanted.chosen_engine
        languages = make_engine(wanted).language_names
    except SettingsError as error:
        unknown = str(error)
    return HowRead(tuple(values), engine, languages, unknown)

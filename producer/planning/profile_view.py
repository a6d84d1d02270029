"""How a book is read: its profile, where each value comes from, the engine that results, and what becomes stale."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from checkpointing.errors import SettingsError
from producer.ingest.profile_options import OPTIONS, change_profile
from producer.planning.stale import find_stale
from producer.setting_options import in_force, origins_in_force
from producer.status.begun_stages import begun_stages
from worker.ocr.engines.registry import make_engine
from worker.pages.book_profile import BookProfile
from worker.storage.book_store import BookStore

BOOK = "book"
"""The source of a value that the profile of the book has; the other sources are those of settings."""


@dataclass(frozen=True, slots=True)
class ValueInForce:
    """A value by which a book is read.

    Attributes:
        source: `book`, or the source of the setting that applies instead.
        place: the file, variable or option that has it; empty for a default.
    """

    name: str
    value: str | int
    source: str
    place: str


@dataclass(frozen=True, slots=True)
class ProfileView:
    """How a book is read.

    Attributes:
        values: one for each field of the profile.
        engine: the engine that results; empty if none does.
        languages: the engine's own names of the languages; empty if it ignores them, or `unknown` is not.
        unknown: why this machine cannot tell how the engine reads, in one line; else empty.
    """

    scan_id: str
    values: tuple[ValueInForce, ...]
    engine: str
    languages: str
    unknown: str


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """The result of a change.

    Attributes:
        changed: whether the profile had been different.
        stale: the complete pages that became stale by it, by stage; None where this machine cannot tell.
    """

    changed: bool
    stale: dict[str, AbstractSet[int]] | None


def view_profile(store: BookStore, scan_id: str) -> ProfileView:
    """Return how a book is read by the settings of this machine.

    Raises:
        UnknownNameError: there is no such scan.
        InputError: its metadata is broken.
    """
    metadata = store.metadata(scan_id)
    own = metadata.profile.model_dump()
    settings = {each.name: each for each in in_force(store.settings, origins_in_force())}
    values = []
    for name, setting in OPTIONS.items():
        if name in own:
            values.append(ValueInForce(name, own[name], BOOK, str(store.scan(scan_id).record_path)))
        else:
            value, origin = getattr(store.settings, setting), settings[setting].origin
            values.append(ValueInForce(name, value, origin.source.value, origin.place))
    engine = languages = unknown = ""
    try:
        wanted = store.settings.with_profile(metadata.profile)
        engine = wanted.chosen_engine
        languages = make_engine(wanted).language_names
    except SettingsError as error:
        unknown = str(error)
    return ProfileView(scan_id, tuple(values), engine, languages, unknown)


def change_and_count(store: BookStore, scan_id: str, wanted: BookProfile, unset: AbstractSet[str]) -> ProfileChange:
    """Change the profile of a book, and find the complete pages that become stale by it.

    Args:
        store: the scans.
        scan_id: of the book.
        wanted: the fields to set.
        unset: the names of the fields to remove.

    Raises:
        UnknownNameError: there is no such scan.
        InputError: its metadata is broken.
        CheckpointError: another process holds the metadata.
        StorageError: the storage failed.
    """
    profile = store.metadata(scan_id).profile
    before = _stale_pages(store, scan_id)
    changed = change_profile(store.scan(scan_id), wanted, unset).profile != profile
    if view_profile(store, scan_id).unknown:
        return ProfileChange(changed, None)
    after = _stale_pages(store, scan_id)
    new = {stage: pages - before.get(stage, set()) for stage, pages in after.items()}
    return ProfileChange(changed, {stage: pages for stage, pages in new.items() if pages})


def _stale_pages(store: BookStore, scan_id: str) -> dict[str, AbstractSet[int]]:
    """Return the stale pages of the stages that read the source; later stages follow when these are done again."""
    refs = [ref for ref in begun_stages(store, scan_id) if not store.stages.get(ref.stage).depends_on]
    checkpoints = [store.checkpoint_file(ref).read_or_salvage()[0] for ref in refs]
    return {each.stage: find_stale(store, each.ref, each.pages).keys() for each in checkpoints}

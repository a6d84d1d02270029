"""Find stale pages: complete pages whose inputs or method (engine, model, instructions) have changed.

The present method comes from the profile of the page and the settings of this process: if the settings of the
workers differ, pages may show as stale that a worker would make the same way again. `docs/design.md` has the
digests.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, replace

from checkpointing.errors import CheckpointError, PageOutputError, SettingsError
from checkpointing.money import add_usd
from checkpointing.outputs import OutputFolder
from checkpointing.page_records import PageRecord
from checkpointing.refs import StageRef
from worker.pages.book_profile import BookProfile
from worker.pipeline.provenance import describe, source_sha256
from worker.stages.base import MadeFrom, Stage
from worker.storage.book_store import BookStore

_NONE_AGAIN: Mapping[str, AbstractSet[int]] = {}


@dataclass(frozen=True, slots=True)
class Why:
    """Why a complete page is stale. Equal for pages with the same reasons, so that they can be listed together.

    Attributes:
        inputs: names of its inputs (earlier stages, or `source`) if they changed; else empty.
        method: the change of the method, in words; empty if it did not change.
        recipe: digest of the earlier method; empty if it did not change.
        current: the digests of the present inputs and method, which `--accept-stale` records.
    """

    inputs: tuple[str, ...]
    method: str
    recipe: str
    current: str = field(compare=False)

    def words(self, whose: str = "its") -> str:
        """Return the reasons in words; `whose` is `its` for one page and `their` for several."""
        names = " or ".join(f"{whose} {name}" for name in self.inputs)
        return " and ".join(part for part in (names and f"{names} changed", self.method) if part)


@dataclass(frozen=True, slots=True)
class StalePages:
    """Stale pages with the reasons, and their recorded cost in USD; a page of unknown cost counts as 0."""

    pages: dict[int, Why]
    cost_usd: float


def find_stale(
    store: BookStore,
    ref: StageRef,
    records: Mapping[int, PageRecord],
    again: Mapping[str, AbstractSet[int]] = _NONE_AGAIN,
) -> dict[int, Why]:
    """Return the stale pages among complete ones; `again` has the pages that earlier stages will process again.

    Reads checkpoints and metadata, no outputs. A page without recorded digests is never stale, nor is a page that
    an earlier stage is about to complete again. If the present method is unknown here, because the engine is not
    installed or the model is not set, only the inputs are compared.

    Raises:
        UnknownNameError: there is no such scan or stage.
        OSError: the storage failed.
    """
    told = {page: record.made_from for page, record in records.items() if record.made_from}
    if not told:
        return {}
    maker = store.stages.get(ref.stage)
    methods = _Methods(store, ref)
    unknown = MadeFrom(inputs={}, stage_version=maker.version, recipe="")
    parts = "the model or the instructions" if maker.uses_model else "the engine or the stage"
    found: dict[int, Why] = {}
    for page, inputs in sorted(_inputs(store, ref.scan_id, maker, told.keys(), again).items()):
        was_from, _, was_how = told[page].partition(".")
        method = methods.of(page)
        now_from, _, now_how = (method or unknown).model_copy(update={"inputs": inputs}).digest().partition(".")
        how = was_how if method is None else now_how
        if (was_from, was_how) == (now_from, how):
            continue
        other_way = was_how != how
        found[page] = Why(
            inputs=() if was_from == now_from else tuple(inputs),
            method=f"{parts} changed" if other_way else "",
            recipe=was_how if other_way else "",
            current=f"{now_from}.{how}",
        )
    return found


def explain_stale(
    store: BookStore,
    ref: StageRef,
    records: Mapping[int, PageRecord],
    again: Mapping[str, AbstractSet[int]] = _NONE_AGAIN,
) -> StalePages:
    """Return the pages that `find_stale` finds, with the old and the new method in words, and their cost so far.

    Reads one output for each old method.

    Raises:
        UnknownNameError: there is no such scan or stage.
        OSError: the storage failed.
    """
    stale = find_stale(store, ref, records, again)
    return StalePages(_name_recipes(store, ref, stale), add_usd(*(records[page].cost_usd or 0.0 for page in stale)))


def _name_recipes(store: BookStore, ref: StageRef, stale: dict[int, Why]) -> dict[int, Why]:
    samples = {why.recipe: page for page, why in stale.items() if why.recipe}
    if not samples:
        return stale
    methods, outputs = _Methods(store, ref), store.outputs(ref)
    earlier = {recipe: _made_by(outputs, page, recipe) for recipe, page in samples.items()}
    named = {}
    for page, why in stale.items():
        was, now = earlier.get(why.recipe), methods.of(page)
        named[page] = replace(why, method=f"{why.method} {_difference(was, now)}") if was and now else why
    return named


class _Methods:
    """The present method of a stage for each page; found once for each profile."""

    def __init__(self, store: BookStore, ref: StageRef) -> None:
        self._store = store
        self._stage = ref.stage
        self._metadata = store.metadata(ref.scan_id)
        self._model = store.settings.model(ref.stage)
        self._of_profile: dict[BookProfile, MadeFrom | None] = {}
        stage = store.stages.get(ref.stage)
        self._is_unset = stage.uses_model and not self._model
        # Only a stage that reads the source depends on the profile.
        self._is_one = bool(stage.depends_on) or not self._metadata.page_profiles

    def of(self, page: int) -> MadeFrom | None:
        """Return the present method for a page; None if it is unknown here."""
        profile = self._metadata.profile if self._is_one else self._metadata.profile_of(page)
        if profile not in self._of_profile:
            self._of_profile[profile] = self._describe(page, profile)
        return self._of_profile[profile]

    def _describe(self, page: int, profile: BookProfile) -> MadeFrom | None:
        if self._is_unset:
            return None
        try:
            stage = self._store.stages.get_for(self._metadata, self._stage, page)
            return describe(stage, {}, self._model, profile)
        except SettingsError:
            return None


def _inputs(
    store: BookStore,
    scan_id: str,
    stage: Stage,
    pages: AbstractSet[int],
    again: Mapping[str, AbstractSet[int]],
) -> dict[int, dict[str, str]]:
    """Return the hashes of the present inputs by page, without pages whose inputs are not complete."""
    if not stage.depends_on:
        places = enumerate(store.metadata(scan_id).source.places(), start=1)
        return {page: {"source": source_sha256(place)} for page, place in places if page in pages}
    upstream = {
        name: _output_hashes(store, StageRef(scan_id, name), again.get(name, frozenset()))
        for name in stage.depends_on
    }
    known = set(pages).intersection(*upstream.values())
    return {page: {name: hashes[page] for name, hashes in upstream.items()} for page in known}


def _output_hashes(store: BookStore, ref: StageRef, again: AbstractSet[int]) -> dict[int, str]:
    """Return the hashes of the complete outputs of an earlier stage; none if its checkpoint cannot be used."""
    try:
        complete = store.checkpoint_file(ref).read().pages
    except CheckpointError:
        return {}
    return {
        page: record.sha256 for page, record in complete.items() if record.sha256 is not None and page not in again
    }


def _made_by(outputs: OutputFolder, page: int, recipe: str) -> MadeFrom | None:
    """Return the method recorded in an output; None if it has none, or another than the checkpoint."""
    with suppress(PageOutputError, ValueError):
        said = MadeFrom.model_validate(outputs.load(page).get("made_from"))
        if said.digest().endswith(f".{recipe}"):
            return said
    return None


def _difference(was: MadeFrom, now: MadeFrom) -> str:
    if was.recipe == now.recipe:
        return f"from version {was.stage_version} to version {now.stage_version}"
    return f"from {was.recipe or 'none'!r} to {now.recipe or 'none'!r}"

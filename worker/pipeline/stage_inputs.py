"""Give a stage its inputs: page images from the scan's source, outputs of earlier stages, answers of a model."""

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel

from checkpointing.errors import PageOutputError
from checkpointing.refs import StageRef
from worker.billing.model_calls import ModelCalls
from worker.llm.prompt import Prompt
from worker.llm.reply import Reply
from worker.pages.geometry.resample import page_image
from worker.pages.geometry.transform import Geometry
from worker.pages.sources.base import PageImage
from worker.pages.sources.open import open_source
from worker.pipeline.provenance import describe, source_sha256
from worker.stages.base import MadeFrom
from worker.stages.ocr import OcrStage, geometry_in
from worker.storage.book_store import BookStore

Answer = TypeVar("Answer", bound=BaseModel)
Made = TypeVar("Made")


class ScanInputs:
    """The inputs of a stage for one page and its neighbours.

    The source is opened and closed for each page: that takes little time compared with the page, and a worker keeps
    no files open on the shared storage.

    Args:
        still_ours: returns whether this worker still holds the claim on the page; without it no call is paid for.

    Attributes:
        stage: the stage, with the profile of the page.

    Raises:
        SettingsError: the profile names an engine that does not exist.
    """

    def __init__(
        self, store: BookStore, calls: ModelCalls, ref: StageRef, page: int, still_ours: Callable[[], bool]
    ) -> None:
        self.scan_id = ref.scan_id
        self._still_ours = still_ours
        self._store = store
        self._calls = calls
        self._page = page
        self._scan = store.scan(ref.scan_id)
        self._metadata = store.metadata(ref.scan_id)
        self.stage = store.stages.get_for(self._metadata, ref.stage, page)

    @property
    def total_pages(self) -> int:
        """Return the number of pages of the book."""
        return self._metadata.total_pages

    def image(self, page: int) -> PageImage:
        """Return the image of a page: as it was scanned for a stage that reads the source, else as it was read.

        The stage with the engine gets the whole picture of a page that is half of it, with `PageImage.half`.

        Raises:
            PageError: the page cannot be rendered; another attempt would fail too.
            StorageError: the source cannot be read at the moment.
        """
        settings = self._store.stages.settings_for(self._metadata, page)
        source = open_source(self._scan, self._metadata, dpi=settings.dpi, max_pixels=settings.max_pixels)
        with closing(source):
            scanned = source.page(page)
        if self.stage.has_engine:
            return scanned
        geometry = self._geometry(page) if self.stage.depends_on else None
        if geometry is None and scanned.half is not None:
            geometry = scanned.half.geometry(scanned.image.size)
        return replace(scanned, image=page_image(scanned.image, geometry), half=None)

    def _geometry(self, page: int) -> Geometry | None:
        """Return the geometry with which a page was read; None where its image is the source image."""
        with suppress(PageOutputError):
            return geometry_in(self.output(OcrStage.name, page))
        return None

    def languages(self, page: int) -> tuple[str, ...]:
        """Return the languages of a page that a person named; empty if none are named."""
        return self._store.stages.named_languages(self._metadata, page)

    def output(self, stage: str, page: int) -> dict[str, Any]:
        """Return the valid output of an earlier stage.

        Raises:
            PageOutputError: the page has no valid output there.
        """
        return self._store.outputs(StageRef(self.scan_id, stage)).load(page)

    def ask(self, prompt: Prompt[Answer], accept: Callable[[Reply[Answer]], Made]) -> Made:
        """Ask the model of the stage, or use an answer that was paid for earlier; return what `accept` makes of it.

        `accept` raises if the answer cannot be used.

        Raises:
            AnswerRefusedError: the answer cannot be used. It has been paid for.
            ClaimLostError: another worker holds the page by now.
            ProviderError: the provider does not answer, or limits the rate of calls: the page waits.
            ProviderRefusesError, BudgetReachedError: the stage waits for a person.
        """
        calls = self._calls.paid_calls(StageRef(self.scan_id, self.stage.name))
        return calls.ask(self._page, prompt, accept, self._still_ours)

    def made_from(self) -> MadeFrom:
        """Return what the page's output will be made from.

        Raises:
            PageOutputError: an earlier stage has no valid output for the page.
            SettingsError: the engine is not installed.
        """
        stage = self.stage
        if not stage.depends_on:
            inputs = {"source": source_sha256(self._metadata.source.place_of(self._page))}
        else:
            folders = ((name, self._store.outputs(StageRef(self.scan_id, name))) for name in stage.depends_on)
            inputs = {name: outputs.sha256(self._page) for name, outputs in folders}
        profile = self._metadata.profile_of(self._page)
        return describe(stage, inputs, self._store.settings.model(stage.name), profile)

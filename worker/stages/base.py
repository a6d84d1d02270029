"""What a stage is.

A stage turns one page into one JSON output. It knows neither Celery nor Redis nor settings: it is made with
the arguments it needs, is handed its inputs, and returns a pydantic model. Everything around it (claiming,
saving, checkpointing, retrying) is done for it. `docs/adding-a-stage.md` shows a whole one in ten lines.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from checkpointing.fields import Sha256
from checkpointing.page_records import Doubt, Doubts
from worker.pages.sources.base import PageImage


class MadeFrom(BaseModel):
    """What an output was made from, and how. When that is no longer what it would be made from, it is stale."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inputs: dict[str, Sha256] = Field(
        description="Hashes of what it was made from: the page's output of each stage it depends on, or `source`."
    )
    stage_version: str
    recipe: str = Field(description="Engine and its version; or model, instructions and parameters.")

    def digest(self) -> str:
        """For the checkpoint: of the inputs, a dot, and of everything else. 33 characters."""
        how = f"{self.stage_version} {self.recipe}"
        return f"{_short(json.dumps(self.inputs, sort_keys=True))}.{_short(how)}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_empty(doubts: tuple[Doubt, ...]) -> bool:
    return not doubts


class PageOutput(BaseModel):
    """The least that an output says: which page it is, where it came from. Every stage's schema extends this."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page_number: PositiveInt
    made_from: MadeFrom | None = Field(default=None, description="Filled in when it is saved.")
    # Left out where there is none: so an ordinary page has the form that older versions read.
    doubtful: Doubts = Field(
        default=(),
        exclude_if=_is_empty,
        description="Why its reading is implausible: the page is complete, and a person should look at it.",
    )

    @classmethod
    def from_older_form(cls, _data: Any) -> dict[str, Any] | None:
        """An output of an older form that still counts, in the form of today.

        Args:
            _data: parsed JSON that does not match this schema.

        Returns:
            None where it is of no such form.

        Raises:
            ValueError: it is of one, and not valid by that.
        """
        return None


class StageInputs(Protocol):
    """What a stage may ask for about the page it works on and its neighbours."""

    def image(self, page: int) -> PageImage:
        """The page as a picture.

        Raises:
            PageError: the page cannot be rendered, and never will be.
        """
        ...

    def output(self, stage: str, page: int) -> dict[str, Any]:
        """The valid output of an earlier stage for a page, as parsed JSON.

        Raises:
            PageOutputError: that stage has no valid output for this page.
        """
        ...

    @property
    def total_pages(self) -> int:
        """How many pages the book has."""
        ...


class Stage(Protocol):
    """One step of the pipeline."""

    name: ClassVar[str]
    """Names the stage, its queue and its checkpoint: `ocr`."""
    output_dir: ClassVar[str]
    """The folder of its outputs inside the scan's: `ocr`, `corrected`."""
    version: ClassVar[str]
    """Of the output schema. A new version makes resume validate old outputs again."""
    depends_on: ClassVar[tuple[str, ...]]
    """Names of the stages whose outputs it reads."""
    schema: ClassVar[type[PageOutput]]
    """The pydantic model every output must match."""

    def prepare(self) -> None:
        """Load what is heavy, once a process: engines, models.

        Raises:
            SettingsError: something it needs is not installed or not set.
        """
        ...

    def run(self, page: int, inputs: StageInputs) -> PageOutput:
        """Process one page, numbered from 1.

        Raises:
            PageError: this page will never succeed; it goes to quarantine with the error's kind and message.
            Exception: anything else counts as an attempt, and the page is tried again.
        """
        ...


@runtime_checkable
class HasRecipe(Protocol):
    """A stage whose outputs depend on how it is set: when that changes they are stale."""

    @property
    def recipe(self) -> str:
        """How it is set, in words: engine and version, parameters. Of a model only what the stage itself says."""
        ...


@runtime_checkable
class ReadsNeighbours(Protocol):
    """A stage that reads the pages around its own as well, and waits for those that are on their way."""

    context_pages: ClassVar[int]
    """How many on either side."""


@runtime_checkable
class AsksModel(Protocol):
    """A stage that asks a language model, which costs money. Its inputs are those of `worker.stages.model_stage`.

    Only where the attribute is true: `asks_model` below tells.
    """

    asks_model: ClassVar[bool]


@runtime_checkable
class Assembles(Protocol):
    """A stage that makes one more file of all its outputs once every page is complete."""

    assembled_name: ClassVar[str]
    """Of that file, in the folder of the outputs."""

    def assemble(self, pages: Iterable[dict[str, Any]]) -> BaseModel:
        """What the file is to say. The same pages always give the same.

        Args:
            pages: the outputs of all pages, in order, as parsed JSON.
        """
        ...


def asks_model(stage: Stage) -> bool:
    """Return whether a stage asks a language model, as the stage itself says: `asks_model = True`."""
    return isinstance(stage, AsksModel) and bool(stage.asks_model)

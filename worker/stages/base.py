"""The base class of stages and of their outputs.

A stage turns one page into one JSON output. It knows neither Celery nor Redis: it gets its own options and its
inputs, and returns a pydantic model. Claiming, saving, checkpointing and retrying are done around it.
`docs/adding-a-stage.md` shows a complete one.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Protocol, Self

from pydantic import BaseModel, Field, PositiveInt

from checkpointing.fields import ClosedModel, Sha256
from checkpointing.page_records import Doubts
from worker.pages.sources.base import PageImage
from worker.plugins import Options


class MadeFrom(ClosedModel):
    """What an output was made from, and how. An output that would be made differently today is stale."""

    inputs: dict[str, Sha256] = Field(
        description="Hashes of what it was made from: the page's output of each stage it depends on, or `source`."
    )
    stage_version: str
    recipe: str = Field(description="Engine and its version; or model, instructions and parameters.")

    def digest(self) -> str:
        """Return the hash of the inputs, a dot, and the hash of the rest, for the checkpoint: 33 characters."""
        how = f"{self.stage_version} {self.recipe}"
        return f"{_short(json.dumps(self.inputs, sort_keys=True))}.{_short(how)}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class PageOutput(ClosedModel):
    """The base of each stage's schema: which page it is, and what it was made from."""

    page_number: PositiveInt
    made_from: MadeFrom | None = Field(default=None, description="Added when the output is saved.")
    # Left out if empty, so that older versions can read an ordinary page.
    doubtful: Doubts = Field(
        default=(),
        exclude_if=lambda doubts: not doubts,
        description="Why its text is implausible: the page is complete, and a person should check it.",
    )

    @classmethod
    def from_older_form(cls, _data: Any) -> dict[str, Any] | None:
        """Return an output of an older form in the form of today, so that it still counts.

        Args:
            _data: parsed JSON that does not match this schema.

        Returns:
            None if it does not have an older form.

        Raises:
            ValueError: it has an older form, and is not valid in it.
        """
        return None


class StageInputs(Protocol):
    """What a stage can read about the page that it works on and its neighbours."""

    def image(self, page: int) -> PageImage:
        """Return the image of a page.

        Raises:
            PageError: the page cannot be rendered, and never will be.
        """
        ...

    def languages(self, page: int) -> tuple[str, ...]:
        """Return the languages of a page that a person named; empty if none are named.

        They are BCP 47 tags; a name of Tesseract's data files that is not a language stays as it is.
        """
        ...

    def output(self, stage: str, page: int) -> dict[str, Any]:
        """Return the valid output of an earlier stage for a page, as parsed JSON.

        Raises:
            PageOutputError: that stage has no valid output for this page.
        """
        ...

    @property
    def total_pages(self) -> int:
        """The number of pages of the book."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedEngine:
    """The engine that a stage has loaded.

    Attributes:
        version: of the engine and its models, in words.
        device: what it computes on: `cpu`, `cuda`.
    """

    version: str
    device: str


MODEL_THREADS = 64
"""Default number of calls of a model that one worker has in flight at once."""


@dataclass(frozen=True, slots=True)
class CostShape:
    """What the questions of a stage to its model are like: the basis of a cost estimate until there is a history.

    Attributes:
        asked: share of the pages with text that the model is asked about.
        tokens_around: tokens of the instructions and the answer's schema.
        texts_in: how often the text of a page is part of the question.
        out: tokens of the answer for each token of the page's text.
        picture: whether the page image is part of the question.
    """

    asked: Decimal = Decimal(1)
    tokens_around: int = 700
    texts_in: float = 1.0
    out: float = 1.0
    picture: bool = False


class Stage(ABC):
    """One step of the pipeline. A subclass names itself, its schema, what it depends on, and does one page.

    Args:
        options: the settings, which have all fields of `Options`; default: those defaults.
    """

    name: ClassVar[str]
    """Names the stage, its queue, its checkpoint and its settings: `ocr`."""
    schema: ClassVar[type[PageOutput]]
    """The pydantic model that every output must match."""
    version: ClassVar[str] = "1"
    """Of the schema. Outputs of another version are validated again at resume."""
    output_dir: ClassVar[str]
    """The folder of its outputs inside the scan's folder; the stage's name unless it is given."""
    has_engine: ClassVar[bool] = False
    """Whether it reads with the OCR engine of the settings and of the books' profiles."""
    depends_on: ClassVar[tuple[str, ...]] = ()
    """Names of the stages whose outputs it reads. They are registered before it."""
    context_pages: ClassVar[int] = 0
    """How many pages on either side of its own it reads as well; it waits for those that are under way."""
    uses_model: ClassVar[bool] = False
    """Whether it asks a language model, which costs money. Its inputs are then `model_stage.ModelInputs`, and its
    options need a field `<name>_model`."""
    threads: ClassVar[int] = 0
    """How many pages a worker should do at once, in threads, if a page mostly waits; 0: one process a core."""
    assembled_name: ClassVar[str] = ""
    """Name of one more file that `assemble` makes of all outputs once every page is complete; empty for none."""
    Options: ClassVar[type[Options]] = Options
    """Its settings. The name of each begins with the name of the stage."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "name" in vars(cls) and "output_dir" not in vars(cls):
            cls.output_dir = cls.name
        if cls.uses_model and "threads" not in vars(cls):
            cls.threads = MODEL_THREADS

    def __init__(self, options: Any = None) -> None:
        self.options: Any = self.Options() if options is None else options

    def with_options(self, options: Any) -> Self:
        """Return a copy with other settings, which uses the same engine: the settings of that are the same."""
        other = copy(self)
        other.options = options
        return other

    @property
    def cost_shape(self) -> CostShape:
        """What its questions to a model are like."""
        return CostShape()

    @property
    def recipe(self) -> str:
        """How its outputs are made beside its version: an engine and its version, instructions, parameters.

        When it changes, outputs that exist are stale. The model that a stage asks is added to it.
        """
        return ""

    @property
    def loaded_engine(self) -> LoadedEngine | None:
        """The engine that `prepare` has loaded; None for a stage without one."""
        return None

    def prepare(self) -> None:  # noqa: B027  # most stages have nothing to load
        """Load what is heavy, once a process: engines, models.

        Raises:
            SettingsError: something that it needs is not installed or not set.
        """

    @abstractmethod
    def run(self, page: int, inputs: StageInputs) -> PageOutput:
        """Process one page, numbered from 1.

        Raises:
            PageError: this page will never succeed; it is quarantined with the error's kind and message.
            Exception: anything else counts as an attempt, and the page is tried again.
        """

    def assemble(self, pages: Iterable[dict[str, Any]]) -> BaseModel:
        """Return the content of the file `assembled_name`. The same pages always give the same content.

        Args:
            pages: the outputs of all pages, in order, as parsed JSON.
        """
        raise NotImplementedError(f"the stage {self.name} assembles nothing from {pages!r}")

"""What a stage is.

A stage turns one page into one JSON output. It knows neither Celery nor Redis nor settings: it is made with
the arguments it needs, is handed its inputs, and returns a pydantic model. Everything around it (claiming,
saving, checkpointing, retrying) is done for it. `docs/adding-a-stage.md` shows a whole one in ten lines.
"""

from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, PositiveInt

from worker.sources.base import PageImage


class PageOutput(BaseModel):
    """The least that an output says: which page it is. Every stage's schema extends this."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page_number: PositiveInt


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

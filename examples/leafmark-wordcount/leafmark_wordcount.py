"""A stage for Leafmark that counts the words which OCR read on each page."""

from typing import Annotated

from pydantic import Field, NonNegativeInt

from worker.plugins import Options
from worker.stages.base import PageOutput, Stage, StageInputs


class WordcountOptions(Options):
    """Settings: `LEAFMARK_WORDCOUNT_…` in the environment."""

    wordcount_minimum_letters: Annotated[int, Field(description="Shorter words are not counted.", ge=1, le=100)] = 1


class WordcountPage(PageOutput):
    """The output for a page: `wordcount/page_0001.json`."""

    words: NonNegativeInt = Field(description="Number of words on the page.")
    longest: str = Field(description="The longest word; empty on a page without words.")


class WordcountStage(Stage):
    """Counts the words of a page."""

    name = "wordcount"
    schema = WordcountPage
    depends_on = ("ocr",)
    Options = WordcountOptions

    @property
    def recipe(self) -> str:
        """Pages that were counted with another minimum are stale."""
        return f"at least {self.options.wordcount_minimum_letters} letters"

    def run(self, page: int, inputs: StageInputs) -> WordcountPage:
        """Count the words of one page, numbered from 1."""
        regions = inputs.output("ocr", page)["regions"]
        words = [word for region in regions for word in region["text"].split()]
        counted = [word for word in words if len(word) >= self.options.wordcount_minimum_letters]
        return WordcountPage(page_number=page, words=len(counted), longest=max(counted, key=len, default=""))

"""The correction stage: a model corrects only what the OCR engine misread.

The model gets the text of the page, with the end of the previous page and the beginning of the next, because
sentences continue across pages. A page without text to correct is a valid result that costs nothing.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import ConfigDict

from checkpointing.errors import PageOutputError
from worker.llm.prompt import Prompt
from worker.llm.reply import Reply
from worker.ocr.layout.region_types import RegionType
from worker.scanshelf.corrected_pages import corrected_page
from worker.stages.base import CostShape, Stage, StageInputs
from worker.stages.model_stage import ModelInputs, model_inputs, most_tokens, picture_of, recipe_of
from worker.stages.ocr import OcrPage, OcrStage
from worker.stages.ocr_regions import OcrRegion
from worker.stages.options import CorrectionOptions
from worker.stages.revised_pages import (
    INSTRUCTIONS,
    REVISED_TYPES,
    RevisedPage,
    RevisedRegion,
    RevisionAnswer,
    question,
    reasons_of,
    revised,
    revised_page,
    unsure_of,
)

CONTEXT_CHARACTERS = 500
"""Characters of the body text of the page before, and of the page after, that the question contains."""
MIN_OCR_CONFIDENCE = 0.7
"""Minimum OCR confidence of a region; below it, its correction is compared with the image by the fix stage."""

_SYSTEM = f"""\
You correct text that an OCR engine read from a page of a printed book. You are given one page as JSON: its
`regions`, and for context only, the end of the page before (`before`) and the beginning of the page after
(`after`), either of which may be empty. Where a picture of the page comes along, it decides.

{INSTRUCTIONS}

Set `needs_review` to true if somebody should compare the page with its picture, because words cannot be made out or
text seems to be missing, and say why in `reasons`, one short sentence each. Otherwise set it to false, and leave
`reasons` empty."""


class CorrectionAnswer(RevisionAnswer):
    """What the model answers."""

    model_config = ConfigDict(title="correction")


class CorrectedPage(RevisedPage):
    """A page as a model corrected it."""

    @classmethod
    def from_older_form(cls, data: Any) -> dict[str, Any] | None:
        """Return a page that Scanshelf corrected in the form of today; None for other data."""
        return corrected_page(data)


class CorrectionStage(Stage):
    """Corrects the text of a page."""

    name = "correction"
    output_dir = "corrected"
    depends_on = (OcrStage.name,)
    schema = CorrectedPage
    context_pages = 1
    uses_model = True
    Options = CorrectionOptions

    @property
    def cost_shape(self) -> CostShape:
        """The size of a call: the answer repeats the page; with vision the question contains the image."""
        return CostShape(picture=self.options.correction_vision)

    @property
    def recipe(self) -> str:
        """The hash of the instructions, and whether the model gets the image."""
        return recipe_of(self.name, self.version, _SYSTEM, *(["vision"] if self.options.correction_vision else []))

    def run(self, page: int, inputs: StageInputs) -> CorrectedPage:
        """Correct one page, numbered from 1. Raises what its inputs raise."""
        asking = model_inputs(inputs)
        read = _read(asking, page)
        regions = tuple(map(_unrevised, read.regions))
        asked = [region for region in regions if region.type in REVISED_TYPES]
        if not asked:
            return revised_page(CorrectedPage, page, regions, ())
        prompt = self._prompt(page, asking, asked)
        return asking.ask(prompt, lambda reply: _corrected(read, regions, asked, reply))

    def _prompt(self, page: int, inputs: ModelInputs, asked: list[RevisedRegion]) -> Prompt[CorrectionAnswer]:
        before = _body(inputs, page - 1)[-CONTEXT_CHARACTERS:]
        after = _body(inputs, page + 1)[:CONTEXT_CHARACTERS]
        return Prompt(
            system=_SYSTEM,
            user=question(page, asked, before=before, after=after),
            answer=CorrectionAnswer,
            most_tokens=most_tokens(region.text for region in asked),
            picture=picture_of(inputs.image(page)) if self.options.correction_vision else None,
        )


def _read(inputs: StageInputs, page: int) -> OcrPage:
    return OcrPage.model_validate(inputs.output(OcrStage.name, page))


def _body(inputs: StageInputs, page: int) -> str:
    """Return the body text of a page; empty for a page that is not in the book or has no OCR output."""
    if not 1 <= page <= inputs.total_pages:
        return ""
    try:
        read = _read(inputs, page)
    except PageOutputError:
        return ""
    return "\n".join(region.text for region in read.regions if region.type in {RegionType.BODY, RegionType.VERSE})


def _unrevised(region: OcrRegion) -> RevisedRegion:
    return RevisedRegion(
        id=region.id,
        type=region.type,
        text=region.text,
        original_text=region.text,
        bbox=region.bbox,
        reading_order=region.reading_order,
        needs_review=False,
    )


def _corrected(
    read: OcrPage, regions: Iterable[RevisedRegion], asked: list[RevisedRegion], reply: Reply[CorrectionAnswer]
) -> CorrectedPage:
    texts, edits = revised(regions, asked, reply.answer)
    asked_ids = {region.id for region in asked}
    unsure = unsure_of(edits)
    hard = {
        region.id: region.confidence
        for region in read.regions
        if region.id in asked_ids and region.confidence < MIN_OCR_CONFIDENCE
    }
    said = reasons_of(reply.answer)
    reasons = (
        *said,
        *(f"the edits of {region} are unsure: {mean:.2f} on average" for region, mean in unsure.items()),
        *(f"{region} was hard to read: confidence {confidence:.2f}" for region, confidence in hard.items()),
    )
    # The model's own reasons name no region, so they may be about any region of the question.
    flagged = asked_ids if said else unsure.keys() | hard.keys()
    return revised_page(CorrectedPage, read.page_number, texts, edits, reasons, flagged, reply.llm)

"""The fix stage: a model that accepts images compares doubtful regions with the image of the page.

Only doubtful regions are part of the question. A page without any is copied at no cost.
"""

from decimal import Decimal

from pydantic import ConfigDict

from worker.llm.prompt import Prompt
from worker.llm.reply import Reply
from worker.stages.base import CostShape, Stage, StageInputs
from worker.stages.correction import CorrectedPage, CorrectionStage
from worker.stages.model_stage import model_inputs, most_tokens, picture_of, recipe_of
from worker.stages.options import FixOptions
from worker.stages.revised_pages import (
    INSTRUCTIONS,
    RevisedPage,
    RevisedRegion,
    RevisionAnswer,
    question,
    reasons_of,
    revised,
    revised_page,
)

_SYSTEM = f"""\
You compare text that was read from a page of a printed book, and corrected once, with the picture of that page.
You are given the picture, and as JSON those `regions` of the page that are in doubt, in reading order, and the
`reasons` for the doubt. The picture may show more than these regions; the rest of the page is settled. What the
picture shows decides.

{INSTRUCTIONS}

Set `needs_review` to true only if a person has to look at the page, because even with the picture you cannot make
out what is printed, and say why in `reasons`, one short sentence each. Otherwise set it to false, and leave
`reasons` empty."""


class FixAnswer(RevisionAnswer):
    """What the model answers."""

    model_config = ConfigDict(title="fix")


class FixedPage(RevisedPage):
    """A page after a model compared its doubtful regions with the image."""


class FixStage(Stage):
    """Corrects the doubtful regions of a page by its image."""

    name = "fix"
    output_dir = "fixed"
    depends_on = (CorrectionStage.name,)
    schema = FixedPage
    uses_model = True
    Options = FixOptions

    @property
    def cost_shape(self) -> CostShape:
        """Few pages are asked about; the question has both texts and the image, the answer repeats the page."""
        return CostShape(asked=Decimal("0.15"), texts_in=2.0, picture=True)

    @property
    def recipe(self) -> str:
        """The hash of its instructions."""
        return recipe_of(self.name, self.version, _SYSTEM, "vision")

    def run(self, page: int, inputs: StageInputs) -> FixedPage:
        """Correct the doubtful regions of one page, numbered from 1. Raises what its inputs raise."""
        asking = model_inputs(inputs)
        corrected = CorrectedPage.model_validate(asking.output(CorrectionStage.name, page))
        asked = [region for region in corrected.regions if region.needs_review]
        if not asked:
            return revised_page(FixedPage, page, corrected.regions, corrected.edits)
        prompt = Prompt(
            system=_SYSTEM,
            user=question(page, asked, reasons=corrected.reasons),
            answer=FixAnswer,
            most_tokens=most_tokens(region.text for region in asked),
            picture=picture_of(asking.image(page)),
        )
        return asking.ask(prompt, lambda reply: _fixed(corrected, asked, reply))


def _fixed(corrected: CorrectedPage, asked: list[RevisedRegion], reply: Reply[FixAnswer]) -> FixedPage:
    texts, edits = revised(corrected.regions, asked, reply.answer, corrected.edits)
    reasons = reasons_of(reply.answer)
    flagged = [region.id for region in asked] if reasons else []
    return revised_page(FixedPage, corrected.page_number, texts, edits, reasons, flagged, reply.llm)

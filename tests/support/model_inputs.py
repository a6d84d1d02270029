"""What a stage that asks a model is given, without a model: answers are prepared, questions are kept."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from PIL import Image
from pydantic import BaseModel

from checkpointing.errors import PageOutputError
from worker.llm.prompt import Prompt
from worker.llm.reply import CostSource, LlmRecord, Reply, Usage
from worker.ocr.layout.region_types import RegionType
from worker.pages.sources.base import PageImage

Answer = TypeVar("Answer", bound=BaseModel)
Made = TypeVar("Made")
Lines = tuple[str, str]
"""Type and text of a region."""

LLM = LlmRecord(
    provider="a-provider",
    model="a-model",
    recipe_sha256="0" * 64,
    request_sha256="1" * 64,
    usage=Usage(tokens_in=100, tokens_out=50),
    cost_usd=0.001,
    cost_source=CostSource.SET,
    seconds=1.5,
    attempts=1,
)
PAGE = 7


def ocr_page(*regions: Lines, page: int = PAGE, confidence: float = 0.95) -> dict[str, Any]:
    """What the OCR stage writes for a page with such regions, as parsed JSON."""
    return {
        "page_number": page,
        "page_dimensions": {"width": 1000, "height": 1400},
        "regions": [
            {
                "id": f"r{order}",
                "type": kind,
                "bbox": [100, 100 * order, 800, 80],
                "text": text,
                "confidence": confidence,
                "reading_order": order,
            }
            for order, (kind, text) in enumerate(regions, start=1)
        ],
        "blank": not regions,
        "ocr_timestamp": datetime.now(UTC).isoformat(),
        "engine": "list",
        "engine_version": "list 1",
        "dpi": 300.0,
        "seconds": 0.5,
    }


def revised_page(*regions: Lines, reasons: tuple[str, ...] = (), page: int = PAGE) -> dict[str, Any]:
    """What correction and fix write for a page that they have left as it was; with reasons all of it is flagged."""
    return {
        "page_number": page,
        "regions": [
            {
                "id": f"r{order}",
                "type": kind,
                "text": text,
                "original_text": text,
                "bbox": [100, 100 * order, 800, 80],
                "reading_order": order,
                "needs_review": bool(reasons) and kind != RegionType.IMAGE,
            }
            for order, (kind, text) in enumerate(regions, start=1)
        ],
        "edits": [],
        "needs_review": bool(reasons),
        "reasons": list(reasons),
        "skipped": False,
        "llm": LLM.model_dump(mode="json"),
    }


def revision(
    *texts: str, needs_review: bool = False, reasons: tuple[str, ...] = (), edits: tuple[dict[str, Any], ...] = ()
) -> dict[str, Any]:
    """An answer for the regions `r1` and on; the edits are those of the first."""
    regions = [{"id": f"r{order}", "text": text, "edits": []} for order, text in enumerate(texts, start=1)]
    regions[0]["edits"] = list(edits)
    return {"regions": regions, "needs_review": needs_review, "reasons": list(reasons)}


class PreparedInputs:
    """Answers as it is told, and keeps what it was asked.

    Attributes:
        outputs: of earlier stages, by stage and page.
        answer: to the next question, as parsed JSON; None where nothing may be asked.
        prompts: that were asked.
    """

    def __init__(
        self, outputs: dict[tuple[str, int], dict[str, Any]], answer: dict[str, Any] | None = None
    ) -> None:
        self.outputs = outputs
        self.answer = answer
        self.prompts: list[Prompt[Any]] = []
        self.picture = Image.new("L", (1000, 1400), 235)

    @property
    def total_pages(self) -> int:
        return 10

    def image(self, page: int) -> PageImage:
        assert page == PAGE
        return PageImage(self.picture, dpi=300.0)

    def languages(self, _page: int) -> tuple[str, ...]:
        return ()

    def output(self, stage: str, page: int) -> dict[str, Any]:
        assert 1 <= page <= self.total_pages
        if (stage, page) not in self.outputs:
            raise PageOutputError(f"{stage} has no output for page {page}")
        return self.outputs[stage, page]

    def ask(self, prompt: Prompt[Answer], accept: Callable[[Reply[Answer]], Made]) -> Made:
        assert self.answer is not None, "nothing may be asked about this page"
        self.prompts.append(prompt)
        return accept(Reply(prompt.answer.model_validate(self.answer), LLM))

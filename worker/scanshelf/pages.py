"""Reads pages that Scanshelf wrote as outputs of the OCR stage, so that they are not done again.

Scanshelf's pages have the same regions, and lack the engine, the time it took and what the page was made from. The
files stay unchanged; each reader gets them in the form of today (`checkpointing.outputs.OutputSchema.modern`). A
page that is not valid in its own form either is not complete, and is done again.
"""

from typing import Annotated, Any, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from checkpointing.fields import Moment, OpenModel
from worker.text.fields import Share

ENGINE = "tesseract"
ENGINE_VERSION = "as run by Scanshelf"

# Later versions of Scanshelf have more types of regions than Leafmark.
_TYPES = {"footnote": "body", "page_number": "footer"}
_UNKNOWN_CONFIDENCE = 0.0
"""Scanshelf measured none for pictures; nothing reads this value."""

Box = tuple[NonNegativeInt, NonNegativeInt, PositiveInt, PositiveInt]


class Region(OpenModel):
    """A region; an image has neither text nor confidence."""

    id: int | str
    type: str
    bbox: Box
    text: str = ""
    confidence: Share | None = None
    reading_order: PositiveInt

    @model_validator(mode="after")
    def _text_was_read(self) -> Self:
        if self.type != "image" and (not self.text.strip() or self.confidence is None):
            raise ValueError(f"region {self.id} has no text, or no confidence")
        return self

    def modern(self, order: int) -> dict[str, Any]:
        """Return the region in the form of `OcrRegion`."""
        return {
            "id": region_id(self.id),
            "type": _TYPES.get(self.type, self.type),
            "bbox": list(self.bbox),
            "text": "" if self.type == "image" else self.text,
            "confidence": _UNKNOWN_CONFIDENCE if self.confidence is None else self.confidence,
            "reading_order": order,
        }


class _AnyPage(OpenModel):
    page_number: PositiveInt
    page_dimensions: dict[str, int]
    ocr_timestamp: Moment | None = None


class Page(_AnyPage):
    """A page that was read, or read and corrected."""

    regions: tuple[Region, ...]

    @model_validator(mode="after")
    def _orders_differ(self) -> Self:
        if len({region.reading_order for region in self.regions}) != len(self.regions):
            raise ValueError("two regions have the same place in the reading order")
        return self

    @property
    def in_reading_order(self) -> list[Region]:
        """The regions in reading order."""
        return sorted(self.regions, key=lambda region: region.reading_order)


class Paragraph(OpenModel):
    """A paragraph of a block."""

    bbox: Box
    text: Annotated[str, Field(pattern=r"\S")]
    avg_confidence: Share


class Block(OpenModel):
    """Paragraphs that the engine grouped."""

    paragraphs: tuple[Paragraph, ...]


class Picture(OpenModel):
    """A picture on a page."""

    bbox: Box


class BlocksPage(_AnyPage):
    """A page of later versions: blocks without types, and the pictures apart."""

    blocks: tuple[Block, ...]
    images: tuple[Picture, ...] = ()

    @property
    def in_reading_order(self) -> list[Region]:
        """The paragraphs in the order of the engine, and then the pictures."""
        paragraphs = [paragraph for block in self.blocks for paragraph in block.paragraphs]
        read = [
            Region(
                id=order,
                type="body",
                bbox=each.bbox,
                text=each.text,
                confidence=each.avg_confidence,
                reading_order=order,
            )
            for order, each in enumerate(paragraphs, start=1)
        ]
        seen = [
            Region(id=order, type="image", bbox=picture.bbox, reading_order=order)
            for order, picture in enumerate(self.images, start=len(read) + 1)
        ]
        return [*read, *seen]


def region_id(theirs: int | str) -> str:
    """Return the id of a region: Scanshelf numbered regions, and later named them as Leafmark does."""
    return f"r{theirs}" if isinstance(theirs, int) else theirs


def read_page(data: Any) -> dict[str, Any] | None:
    """Return a page that Scanshelf read, in the form of `OcrPage`; None for other JSON.

    Raises:
        ValueError: it is not a valid page of Scanshelf.
    """
    # Every page of Leafmark has `engine`, and no page of Scanshelf has it.
    if not isinstance(data, dict) or {"engine", "llm_processing"} & data.keys():
        return None
    if not {"regions", "blocks"} & data.keys():
        return None
    page = BlocksPage.model_validate(data) if "blocks" in data else Page.model_validate(data)
    regions = page.in_reading_order
    return {
        "page_number": page.page_number,
        "page_dimensions": page.page_dimensions,
        "regions": [region.modern(order) for order, region in enumerate(regions, start=1)],
        "blank": not regions,
        "ocr_timestamp": page.ocr_timestamp and page.ocr_timestamp.isoformat(),
        "engine": ENGINE,
        "engine_version": ENGINE_VERSION,
        "dpi": None,
        "seconds": None,
    }

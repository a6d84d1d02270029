"""The OCR stage: reads the text of a page image, in typed regions in reading order.

A page without text and pictures is a valid result, marked `blank`.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Self, cast

from pydantic import AwareDatetime, Field, PositiveInt, model_validator

from checkpointing.errors import PageError
from checkpointing.fields import ClosedModel
from checkpointing.page_records import Doubt
from worker.ocr.engines import registry
from worker.ocr.engines.base import Engine
from worker.ocr.engines.rapid.engine import load_direction_classifier, upside_down
from worker.ocr.language_plausibility import language_doubts
from worker.ocr.layout import LAYOUT
from worker.ocr.plausibility import doubts_about
from worker.ocr.show_through import shows_through
from worker.pages.geometry.neighbours import SURE, Turn, is_in_doubt, turn_of_neighbours
from worker.pages.geometry.resample import page_image
from worker.pages.geometry.settings import AUTO, GeometrySettings
from worker.pages.geometry.transform import Geometry
from worker.pages.sources.base import PageImage
from worker.scanshelf.pages import read_page as scanshelf_page
from worker.stages.base import LoadedEngine, PageOutput, Stage, StageInputs
from worker.stages.ocr_regions import OcrRegion, extremes, numbered
from worker.stages.options import OcrOptions
from worker.text.fields import Name

if TYPE_CHECKING:
    # Commands that only read outputs do not need it.
    from PIL.Image import Image

    from worker.pages.geometry.find import Found


_MIN_CONTRAST = 64
UNREADABLE_SIZE = "unreadable_size"
UNCLEAR_TURN = "unclear_turn"


class Dimensions(ClosedModel):
    """The size of the page image, in pixels."""

    width: PositiveInt
    height: PositiveInt


class OcrPage(PageOutput):
    """A page as OCR read it."""

    page_dimensions: Dimensions
    regions: tuple[OcrRegion, ...] = Field(description="In reading order.")
    blank: bool = Field(description="Whether the page has neither text nor pictures.")
    ocr_timestamp: AwareDatetime | None = Field(description="Null for a page of Scanshelf without a time.")
    engine: Name
    engine_version: Name
    dpi: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        description="Resolution of the page image in dots per inch; null if unknown."
    )
    geometry: Geometry | None = Field(
        default=None,
        exclude_if=lambda geometry: geometry is None,
        description="How the page image comes from the source image; left out where it is the source image.",
    )
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        description="Seconds that the engine took; null for a page of Scanshelf, which did not record it."
    )

    @classmethod
    def from_older_form(cls, data: Any) -> dict[str, Any] | None:
        """Return a page that Scanshelf read in the form of today; None for other data."""
        return scanshelf_page(data)

    @model_validator(mode="after")
    def _regions_agree(self) -> Self:
        if [region.reading_order for region in self.regions] != list(range(1, len(self.regions) + 1)):
            raise ValueError("reading_order must number the regions from 1, in the order of the list")
        if len({region.id for region in self.regions}) != len(self.regions):
            raise ValueError("two regions have the same id")
        places = {region.id: region.reading_order for region in self.regions}
        if any(
            region.continues_in is not None and places.get(region.continues_in, 0) <= region.reading_order
            for region in self.regions
        ):
            raise ValueError("a region continues in one that does not follow it")
        if self.blank != (not self.regions):
            raise ValueError("a page is blank exactly when it has no regions")
        for region in self.regions:
            if any(not self._holds(x, y) for x, y in extremes(region)):
                raise ValueError(f"region {region.id} reaches beyond the page")
        return self

    def _holds(self, x: int, y: int) -> bool:
        return x <= self.page_dimensions.width and y <= self.page_dimensions.height


class OcrStage(Stage):
    """Reads a page image with an OCR engine.

    Args:
        options: the settings; they name the engine.
        engine: to use instead of that one.

    Raises:
        SettingsError: there is no engine of that name.
    """

    name = "ocr"
    has_engine = True
    schema = OcrPage
    Options = OcrOptions

    def __init__(self, options: Any = None, engine: Engine | None = None) -> None:
        super().__init__(options)
        self._engine = registry.make_engine(self.options) if engine is None else engine

    @property
    def recipe(self) -> str:
        """The engine, what of its version decides on the text, how its lines are arranged, and the geometry."""
        parts = (self._engine.recipe, LAYOUT, GeometrySettings.of(self.options).recipe)
        return f"{self._engine.name} {', '.join(part for part in parts if part)}"

    @property
    def loaded_engine(self) -> LoadedEngine:
        """The engine."""
        return LoadedEngine(self._engine.version, self._engine.device_in_use)

    def prepare(self) -> None:
        """Load the engine, and the classifier for pages that are turned.

        Raises:
            SettingsError: the engine or its language data is not installed.
        """
        self._engine.load()
        if GeometrySettings.of(self.options).rotate == AUTO:
            load_direction_classifier()

    def run(self, page: int, inputs: StageInputs) -> OcrPage:
        """Read one page, numbered from 1.

        Raises:
            PageError: the page cannot be rendered, or not at a size at which text can be read.
        """
        # These import numpy, which only a worker needs.
        from worker.ocr.layout.pictures import find_paper, find_pictures  # noqa: PLC0415
        from worker.ocr.layout.regions import arrange  # noqa: PLC0415
        from worker.ocr.layout.rules import find_rules  # noqa: PLC0415

        scan = inputs.image(page)
        geometry, unclear = self._geometry(page, scan, inputs)
        image = page_image(scan.image, geometry)
        started = time.perf_counter()
        found = self._engine.recognise(image)
        if shows_through(found, image, self._engine.recognise):
            found = []
        seconds = time.perf_counter() - started
        lines = [line for line in found if line.text]
        if scan.doubt and not lines and not _is_empty(image):
            raise PageError("unreadable_page", f"no text found on the page: {scan.doubt}")
        boxes = [line.bbox for line in lines]
        pictures, rules = find_pictures(image, boxes), find_rules(image, boxes)
        regions = numbered(arrange(lines, pictures, image.size, find_paper(image), rules))
        text = "\n".join(line.text for line in lines)
        doubts = (
            *doubts_about(found, self._engine.minimum_confidence),
            *language_doubts(text, inputs.languages(page)),
        )
        if scan.doubt:
            doubts = (*doubts, Doubt(kind=UNREADABLE_SIZE, message=scan.doubt))
        if unclear and regions:
            doubts = (*doubts, Doubt(kind=UNCLEAR_TURN, message=unclear))
        return OcrPage(
            page_number=page,
            page_dimensions=Dimensions(width=image.width, height=image.height),
            geometry=geometry,
            regions=regions,
            blank=not regions,
            ocr_timestamp=datetime.now(UTC),
            engine=self._engine.name,
            engine_version=self._engine.version,
            dpi=scan.dpi,
            seconds=round(seconds, 3),
            doubtful=doubts,
        )

    def _geometry(self, page: int, scan: PageImage, inputs: StageInputs) -> tuple[Geometry | None, str]:
        """Return the geometry of a page, None where it stays as it is, and what is unclear about its turn."""
        settings = GeometrySettings.of(self.options)
        if settings.is_off and scan.half is None:
            return None, ""
        found = _find(scan, settings)
        # Both pages of a spread lie in the same way.
        if settings.rotate == AUTO and scan.half is None and is_in_doubt(found.geometry):

            def find(neighbour: int) -> Geometry | None:
                with suppress(PageError):
                    return _find(inputs.image(neighbour), settings).geometry
                return None

            if turn := turn_of_neighbours(page, inputs.total_pages, find):
                return _turned(found.geometry, turn), ""
        return (None if found.geometry.is_identity else found.geometry), found.doubt


def _find(scan: PageImage, settings: GeometrySettings) -> "Found":
    from worker.pages.geometry.page import find_page  # noqa: PLC0415  # imports numpy, which only a worker needs

    return find_page(scan.image, scan.half, settings, upside_down)


def _turned(geometry: Geometry, turn: Turn) -> Geometry:
    """Return a geometry with the turn of the neighbours, on which no other step depends."""
    return Geometry(
        source=geometry.source,
        box=geometry.box,
        quarter_turns=turn.quarter_turns,
        skew=geometry.skew,
        confidence=geometry.confidence.model_copy(update={"rotate": SURE}),
        turned_like=turn.pages,
    )


def geometry_in(output: Mapping[str, Any]) -> Geometry | None:
    """Return the geometry in a valid output, as parsed JSON; None where the page was read as it was scanned."""
    recorded = output.get("geometry")
    return None if recorded is None else Geometry.model_validate(recorded)


def _is_empty(image: "Image") -> bool:
    """Return whether nothing on a page is much darker than its paper."""
    darkest, lightest = cast("tuple[int, int]", image.convert("L").getextrema())
    return lightest - darkest < _MIN_CONTRAST

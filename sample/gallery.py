"""Show how pages are read: each page as it was scanned beside the page as it was read, in one HTML file.

The file has no script and loads nothing. Regions are outlined on the page, numbered in reading order, with a colour
for each type; their text stands beside the picture.
"""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from checkpointing.errors import PageError, in_one_line
from checkpointing.plurals import counted
from producer.evaluate.evaluate import measure_page
from producer.evaluate.measure import Counts
from producer.evaluate.readings import text_of
from sample.one_page import OnePage
from worker.pages.geometry.resample import page_image
from worker.pages.geometry.transform import Geometry
from worker.pages.sources.base import PageImage
from worker.stages.ocr import OcrStage, geometry_in

_TEMPLATES = Path(__file__).parent / "templates"
_LONGER_SIDE = {"scanned": 520, "read": 1000}
"""Maximum of the longer side of a picture, in pixels."""
_QUALITY = {"scanned": 30, "read": 40}
"""Of WebP, of 100."""
_UNKNOWN_TYPE = "#666"
COLOURS = {
    "header": "#c2410c",
    "body": "#2563eb",
    "footer": "#a16207",
    "caption": "#0d9488",
    "image": "#16a34a",
    "table": "#9333ea",
    "page_number": "#dc2626",
    "footnote": "#7c3aed",
    "marginalia": "#db2777",
    "verse": "#0891b2",
    "vertical": "#4d7c0f",
    "signature": "#78716c",
    "catchword": "#57534e",
}
"""The colour of each type of region; other types are grey."""


@dataclass(frozen=True, slots=True)
class GalleryPage:
    """A page to be read and shown.

    Attributes:
        title: the name of the file, with the number of the page where it has several.
        scanned: the page as it was scanned.
        text: what is printed, in reading order; None if that is unknown.
    """

    title: str
    scanned: PageImage
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as a data URI, with the width and height of the picture that it was made of, in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ShownPage:
    """A page as the gallery shows it.

    Attributes:
        title: see `GalleryPage`.
        scanned: the page as it was scanned.
        read: the page as it was read; None for a page that was not read.
        corners: where the page is on the scan: `x,y` of its corners, separated by spaces.
        done: what was done to the page, and how well it was read, in sentences.
        doubts: why the page is doubtful, or why it was not read.
        regions: of the output, in reading order.
    """

    title: str
    scanned: Picture
    read: Picture | None
    corners: str
    done: Sequence[str]
    doubts: Sequence[str]
    regions: Sequence[Mapping[str, Any]]


def read_page(page: GalleryPage, stage: OcrStage) -> ShownPage:
    """Read a page and return what the gallery shows of it, also for a page that cannot be read."""
    scanned = _picture(page.scanned.image, "scanned")
    try:
        found = stage.run(1, OnePage(page.scanned))
    except PageError as error:
        return ShownPage(page.title, scanned, None, "", (), (in_one_line(str(error)),), ())
    output = found.model_dump(mode="json")
    geometry = geometry_in(output)
    read = _picture(page_image(page.scanned.image, geometry), "read")
    return ShownPage(
        title=page.title,
        scanned=scanned,
        read=read,
        corners=_corners(geometry, read),
        done=(*_done(geometry), *_measured(page.text, output["regions"])),
        doubts=tuple(doubt.message for doubt in found.doubtful),
        regions=output["regions"],
    )


def render(pages: Iterable[ShownPage], engine: str) -> str:
    """Return the gallery as HTML.

    Args:
        pages: in the order in which they are shown.
        engine: which read them, with its version.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    shown = list(pages)
    types = sorted({region["type"] for page in shown for region in page.regions})
    return environment.get_template("gallery.html.j2").render(
        pages=shown,
        count=counted(len(shown), "page"),
        engine=engine,
        colours={each: COLOURS.get(each, _UNKNOWN_TYPE) for each in types},
    )


def _picture(image: Image.Image, kind: str) -> Picture:
    small = image.convert("RGB")
    small.thumbnail((_LONGER_SIDE[kind],) * 2, Image.Resampling.BOX)
    file = io.BytesIO()
    small.save(file, "WEBP", quality=_QUALITY[kind])
    uri = f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
    return Picture(uri, image.width, image.height)


def _corners(geometry: Geometry | None, read: Picture) -> str:
    points = [(0, 0), (read.width, 0), (read.width, read.height), (0, read.height)]
    on_scan = [geometry.point_on_source(point) if geometry else point for point in points]
    return " ".join(f"{x:.0f},{y:.0f}" for x, y in on_scan)


def _done(geometry: Geometry | None) -> list[str]:
    if geometry is None:
        return ["Read as it was scanned."]
    sure = geometry.confidence
    confidence = f"confidence of crop {sure.crop:.2f}, turn {sure.rotate:.2f}, straightening {sure.deskew:.2f}"
    words = geometry.words()
    return [f"{words[:1].upper()}{words[1:]} ({confidence})."]


def _measured(text: str | None, regions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return how well a page was read whose text is known, in a sentence."""
    if text is None:
        return []
    counts: Counts = measure_page(1, text, text_of(regions)).normalised
    if counts.cer is None or counts.word_recall is None:
        return []
    order = "" if counts.word_order is None else f", {counts.word_order:.2%} of these in order"
    return [f"{counts.word_recall:.2%} of the words found{order}; character error rate {counts.cer:.2%}."]

"""Pages of the sample book as an OCR engine would have read them, made without one.

They are full pages of print with some words misread, so that a model has something to correct. There are only a few
different ones, again and again under new numbers: the test provider thinks long about a text that it sees for the
first time, and that is nothing to be measured.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache

from benchmarks.finished import finish_stage
from checkpointing.refs import StageRef
from sample import PageKind, SamplePage, pages
from worker.deployment import Deployment
from worker.ocr.layout.region_types import RegionType
from worker.stages.ocr import Dimensions, OcrPage, OcrStage
from worker.stages.ocr_regions import OcrRegion

_MISREAD = ((" the ", " tbe "), (" was ", " vvas "), (" and ", " aud "))
_LINES_A_PARAGRAPH = 6
_LINE_PIXELS = 51
_MARGIN_PIXELS = 165


def made_up_page(page: int) -> OcrPage:
    """What the OCR stage would write for a page, numbered from 1.

    Raises:
        SettingsError: the typeface that the sample book is set in is not installed.
    """
    book = _full_pages()
    printed = book[(page - 1) % len(book)]
    return OcrPage(
        page_number=page,
        page_dimensions=Dimensions(width=printed.page_format.width, height=printed.page_format.height),
        regions=tuple(_regions(printed)),
        blank=False,
        ocr_timestamp=datetime.now(UTC),
        engine="none",
        engine_version="none 1",
        dpi=printed.page_format.dpi,
        seconds=0.0,
    )


def finish_ocr(parts: Deployment, scan_id: str, page_count: int) -> None:
    """Have all pages of a scan read."""
    finish_stage(parts, StageRef(scan_id, OcrStage.name), made_up_page, range(1, page_count + 1), page_count)


@cache
def _full_pages() -> Sequence[SamplePage]:
    return tuple(page for page in pages() if page.kind is PageKind.TEXT)


def _regions(printed: SamplePage) -> Iterator[OcrRegion]:
    paragraphs = (
        printed.body[first : first + _LINES_A_PARAGRAPH]
        for first in range(0, len(printed.body), _LINES_A_PARAGRAPH)
    )
    parts = [
        (RegionType.HEADER, (printed.header,)),
        *((RegionType.BODY, lines) for lines in paragraphs),
        (RegionType.FOOTER, (printed.footer,)),
    ]
    width = printed.page_format.width - 2 * _MARGIN_PIXELS
    top = _LINE_PIXELS
    for order, (kind, lines) in enumerate(parts, start=1):
        height = len(lines) * _LINE_PIXELS
        yield OcrRegion(
            id=f"r{order}",
            type=kind,
            bbox=(_MARGIN_PIXELS, top, width, height),
            text=_misread("\n".join(lines)),
            confidence=0.95,
            reading_order=order,
        )
        top += height


def _misread(text: str) -> str:
    for printed, read in _MISREAD:
        text = text.replace(printed, read)
    return text

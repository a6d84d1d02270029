"""Render an evaluation as one HTML file that loads nothing: each page with its picture and the differences marked.

Jinja escapes every text of a book, and the content security policy lets a browser apply the style sheets of this
package and nothing else; there is no script.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from markupsafe import Markup

from checkpointing.errors import PageOutputError
from checkpointing.refs import StageRef
from checkpointing.storage_errors import storage_errors
from producer.evaluate.marks import Mark, marks_of
from producer.evaluate.model import Evaluation, PageResult, StageResult
from producer.evaluate.normalise import AS_READ, NORMALISED
from producer.evaluate.output import HEADS, book_cells, cost_line, interval_cells, page_cells
from producer.evaluate.readings import StageReading
from producer.evaluate.truth.source import Truth
from producer.report.limits import MAX_VIEWS
from producer.report.model import Pictures
from producer.report.pictures import pictures_of
from producer.report.render import GENERATOR, asset, policy, templates_of
from producer.terminal.progress import Counting, uncounted
from worker.pages.geometry.transform import Geometry
from worker.pages.metadata import ScanMetadata
from worker.stages.ocr import OcrStage, geometry_in
from worker.storage.book_store import BookStore
from worker.text.control_characters import clean_text


@dataclass(frozen=True, slots=True)
class StageView:
    """A page in one stage.

    Attributes:
        cells: its row of the table.
        marks: the truth with the differences; None if the page is not complete.
    """

    stage: str
    cells: Sequence[str] = ()
    marks: tuple[Mark, ...] | None = None


@dataclass(frozen=True, slots=True)
class PageView:
    """A page with its picture, in every stage that was measured."""

    number: int
    pictures: Pictures
    stages: Sequence[StageView]


def render_evaluation(
    store: BookStore,
    metadata: ScanMetadata,
    found: Evaluation,
    truth: Truth,
    stages: Sequence[StageReading],
    counting: Counting = uncounted,
) -> str:
    """Return an evaluation as HTML; at most `MAX_VIEWS` pages are shown with their texts.

    Args:
        store: the books.
        metadata: of the book.
        found: the figures.
        truth: the known texts.
        stages: that were measured.
        counting: shows the progress.

    Raises:
        InputError: the truth cannot be used any more.
        StorageError: the truth or an output cannot be read.
    """
    numbers = sorted({page.page for stage in found.stages for page in stage.pages})
    shown = numbers[:MAX_VIEWS]
    with counting(f"{metadata.scan_id}: pages rendered", len(shown)) as step:
        pictures = pictures_of(store, metadata, {page: _geometry(store, metadata, page) for page in shown}, step)
    style = asset("producer.report", "report.css") + asset("producer.evaluate", "evaluation.css")
    html = (
        templates_of("producer.evaluate")
        .get_template("evaluation.html.j2")
        .render(
            found=found,
            metadata=metadata,
            heads=HEADS,
            stages=[(stage, *_rows(stage)) for stage in found.stages],
            cost_line=cost_line,
            pages=_views(found, shown, pictures, truth, stages),
            shown=shown,
            left_out=len(numbers) - len(shown),
            rules=(("As read", AS_READ), ("Normalised", NORMALISED)),
            # Files of this program, without any text of a book.
            style=Markup(style),  # noqa: S704
            policy=policy(style),
            generator=GENERATOR,
        )
    )
    return clean_text(html)


def _geometry(store: BookStore, metadata: ScanMetadata, page: int) -> Geometry | None:
    """Return the geometry with which a page was read; None where there is none, or no output."""
    outputs = store.outputs(StageRef(metadata.scan_id, OcrStage.name))
    with storage_errors(outputs.path), suppress(PageOutputError):
        return geometry_in(outputs.load(page))
    return None


def _rows(stage: StageResult) -> tuple[Sequence[Sequence[str]], Sequence[Sequence[str]]]:
    """Return the rows of the pages, and those of the book."""
    return [page_cells(page) for page in stage.pages], [book_cells(stage), interval_cells(stage)]


def _views(
    found: Evaluation,
    shown: Sequence[int],
    pictures: Mapping[int, Pictures],
    truth: Truth,
    stages: Sequence[StageReading],
) -> Iterator[PageView]:
    results = {stage.stage: {page.page: page for page in stage.pages} for stage in found.stages}
    for number in shown:
        printed = truth.text(number)
        views = [_stage_view(stage, results[stage.name].get(number), printed) for stage in stages]
        yield PageView(number, pictures.get(number, Pictures()), views)


def _stage_view(stage: StageReading, result: PageResult | None, printed: str) -> StageView:
    read = None if result is None else stage.text(result.page)
    if result is None or read is None:
        return StageView(stage.name)
    return StageView(stage.name, page_cells(result), marks_of(printed, read))

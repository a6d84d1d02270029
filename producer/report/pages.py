"""Read a page's outputs of all stages and describe it for people. A damaged output never stops the report."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from checkpointing.checkpoint import Checkpoint
from checkpointing.outputs import OutputFolder
from checkpointing.outputs import Problem as OutputProblem
from checkpointing.regular_files import read_regular
from producer.report.limits import MAX_CHARACTERS, MAX_EDITS
from producer.report.model import Boxes, PageReport, Problem, RegionReport, State
from producer.report.table_rows import rows_as_corrected, rows_as_read
from producer.report.text_diff import marks_of
from worker.stages.base import PageOutput, Stage
from worker.stages.ocr import OcrPage
from worker.stages.ocr_regions import OcrRegion, TextLine, Word
from worker.stages.revised_pages import RevisedPage, RevisedRegion
from worker.stages.structured_page import StructuredPage

Output = TypeVar("Output", bound=PageOutput)


@dataclass(frozen=True, slots=True)
class BegunStage:
    """A stage that has begun.

    Attributes:
        pages: the pages that have an output, valid or not.
        pending: the pages that were requested and are neither complete nor in quarantine.
    """

    stage: Stage
    checkpoint: Checkpoint
    outputs: OutputFolder
    pages: frozenset[int]
    pending: frozenset[int]
    quarantined: frozenset[int]


@dataclass(frozen=True, slots=True)
class _PageOutput:
    """One page's output of a stage.

    Attributes:
        output: its content; None if there is nothing to show.
        problem: what is wrong with it; empty if nothing is.
    """

    state: State
    output: PageOutput | None = None
    problem: str = ""


def page_report(
    begun: Sequence[BegunStage], page: int, cost_usd: float, *, with_text: bool, with_words: bool
) -> PageReport:
    """Return one page of the report.

    Args:
        begun: the stages, in pipeline order.
        page: its number.
        cost_usd: over all stages.
        with_text: whether it has its text.
        with_words: whether the boxes of its text are those of words; otherwise those of lines.
    """
    found = {each.stage.name: _read_output(each, page) for each in begun}
    _, read = _latest(found, OcrPage)
    reviser, revised = _latest(found, RevisedPage)
    _, structured = _latest(found, StructuredPage)
    regions, cut = _bounded(_regions(read, revised, structured, with_words)) if with_text else ((), False)
    edits = revised.edits if revised else ()
    return PageReport(
        number=page,
        states={name: each.state for name, each in found.items()},
        cost_usd=cost_usd,
        printed=structured.printed_page_number if structured else None,
        confidence=_confidence(read.regions) if read else None,
        edits=len(edits) if revised else None,
        listed=edits[:MAX_EDITS] if with_text else (),
        reasons=_reasons(found, revised),
        regions=regions,
        corrected_by=reviser,
        problems=tuple(Problem(page, name, each.problem) for name, each in found.items() if each.problem),
        blank=bool(read and read.blank),
        cut=cut,
        size=(read.page_dimensions.width, read.page_dimensions.height) if read else None,
        geometry=read.geometry if read else None,
    )


def _reasons(found: Mapping[str, _PageOutput], revised: RevisedPage | None) -> tuple[str, ...]:
    """Return why a person should review the page: open questions of a model, and an implausible reading."""
    doubts = (doubt for each in found.values() if each.output is not None for doubt in each.output.doubtful)
    reasons = (*(revised.reasons if revised else ()), *(doubt.message for doubt in doubts))
    return tuple(dict.fromkeys(reasons))


def _latest(found: Mapping[str, _PageOutput], kind: type[Output]) -> tuple[str | None, Output | None]:
    """Return the name of the last stage whose output is of a kind, and that output."""
    for name in reversed(list(found)):
        output = found[name].output
        if isinstance(output, kind):
            return name, output
    return None, None


def _confidence(regions: Iterable[OcrRegion]) -> float | None:
    """Return the mean confidence, weighted by letters: a long paragraph counts more than a page number."""
    letters = [(len(region.text.strip()), region.confidence) for region in regions]
    total = sum(count for count, _ in letters)
    return sum(count * confidence for count, confidence in letters) / total if total else None


def _regions(
    read: OcrPage | None, revised: RevisedPage | None, structured: StructuredPage | None, with_words: bool
) -> list[RegionReport]:
    """Return the regions in reading order: as corrected if a stage has corrected them, else as read."""
    kinds = {block.region: str(block.type) for block in structured.blocks} if structured else {}
    ocr = {region.id: region for region in read.regions} if read else {}
    if revised is not None:
        return [_revised(region, ocr.get(region.id), kinds, with_words) for region in revised.regions]
    return [_read_only(region, kinds, with_words) for region in ocr.values()]


def _read_only(region: OcrRegion, kinds: Mapping[str, str], with_words: bool) -> RegionReport:
    return RegionReport(
        kind=kinds.get(region.id, str(region.type)),
        confidence=_shown(region),
        before=region.text[:MAX_CHARACTERS],
        after=None,
        review=False,
        boxes=_boxes(region, with_words),
        rows=rows_as_read(region.rows) if _is_whole(region) else (),
    )


def _revised(
    region: RevisedRegion, read: OcrRegion | None, kinds: Mapping[str, str], with_words: bool
) -> RegionReport:
    # The correction holds the text that it corrected: OCR may have run again since.
    source = read if read and read.text == region.original_text else None
    return RegionReport(
        kind=kinds.get(region.id, str(region.type)),
        confidence=_shown(source) if source else None,
        before=region.original_text[:MAX_CHARACTERS],
        after=marks_of(region.original_text[:MAX_CHARACTERS], region.text[:MAX_CHARACTERS]),
        review=region.needs_review,
        boxes=_boxes(source, with_words) if source else None,
        rows=rows_as_read(source.rows) if source and _is_whole(source) else (),
        rows_after=rows_as_corrected(source.rows, region.text) if source and _is_whole(source) else (),
    )


def _boxes(region: OcrRegion, with_words: bool) -> Boxes | None:
    """Return the boxes of a region's words, or of its lines if it has no words; None for a text that is cut."""
    if not region.lines or not _is_whole(region):
        return None
    if with_words and all(line.words for line in region.lines):
        return Boxes("words", tuple(_numbers(word for line in region.lines for word in line.words)))
    return Boxes("lines", tuple(_numbers(region.lines)))


def _is_whole(region: OcrRegion) -> bool:
    """Return whether all of a region's text is shown."""
    return len(region.text) <= MAX_CHARACTERS


def _numbers(parts: Iterable[Word | TextLine]) -> Iterator[int]:
    for part in parts:
        yield from (*part.bbox, int(part.confidence * 100))


def _shown(region: OcrRegion) -> float | None:
    """Return the confidence of the OCR engine; None for an image, whose value is a share of ink."""
    return region.confidence if region.text.strip() else None


def _bounded(regions: Iterable[RegionReport]) -> tuple[tuple[RegionReport, ...], bool]:
    """Return as many regions as there is room for, but at least one, and whether text may be missing."""
    shown: list[RegionReport] = []
    room = MAX_CHARACTERS
    for region in regions:
        room -= max(len(region.before), sum(len(mark.text) for mark in region.after or ()))
        if room >= 0 or not shown:
            shown.append(region)
    return tuple(shown), room <= 0


def _read_output(begun: BegunStage, page: int) -> _PageOutput:
    """Read one page's output of a stage. An output that was edited after its check is shown as damaged."""
    if page not in begun.pages and page not in begun.checkpoint.pages:
        state = State.PENDING if page in begun.pending else State.NOT_QUEUED
        return _PageOutput(_unless_quarantined(begun, page, state))
    found = _check_and_read(begun, page)
    if page in begun.checkpoint.pages:
        return found
    return replace(found, state=_unless_quarantined(begun, page, found.state))


def _check_and_read(begun: BegunStage, page: int) -> _PageOutput:
    record = begun.checkpoint.pages.get(page)
    try:
        verdict = begun.outputs.check(page, record)
        if not verdict.valid and verdict.problem is not OutputProblem.CHANGED:
            return _PageOutput(State.DAMAGED, problem=verdict.detail)
        # Parsed by the schema, so that a page in an older form comes in the current one.
        output: PageOutput = begun.outputs.schema.parse(read_regular(begun.outputs.path_of(page)))
    except OSError as error:
        return _PageOutput(State.DAMAGED, problem=f"cannot be read: {error.strerror or error}")
    except ValueError:
        # It was valid a moment ago: another process has written it since.
        return _PageOutput(State.DAMAGED, problem="it changed while it was read")
    if not verdict.valid:
        return _PageOutput(State.DAMAGED, output, verdict.detail)
    return _PageOutput(State.SAVED if record is None else State.COMPLETE, output)


def _unless_quarantined(begun: BegunStage, page: int, state: State) -> State:
    """Return the state of an incomplete page: a quarantined one is that, whatever output it has."""
    return State.QUARANTINED if page in begun.quarantined else state

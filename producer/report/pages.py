"""One page as a person looks at it: its regions, what was read, what was changed, what is wrong."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from producer.report.limits import MOST_CHARACTERS, MOST_EDITS
from producer.report.model import PageReport, Problem, RegionReport
from producer.report.outputs import Begun, Read, read_output
from producer.report.text_diff import marks_of
from worker.stages.base import PageOutput
from worker.stages.ocr import OcrPage, OcrRegion
from worker.stages.revised_pages import RevisedPage, RevisedRegion
from worker.stages.structured_page import StructuredPage

Output = TypeVar("Output", bound=PageOutput)


def page_report(begun: Sequence[Begun], page: int, cost_usd: float, *, with_text: bool) -> PageReport:
    """A page, numbered from 1.

    Args:
        begun: the stages that have begun, in pipeline order.
        page: which.
        cost_usd: what it cost over all stages.
        with_text: whether its text is to be shown; else it is only counted.
    """
    found = {each.stage.name: read_output(each, page) for each in begun}
    _, read = _latest(found, OcrPage)
    reviser, revised = _latest(found, RevisedPage)
    _, structured = _latest(found, StructuredPage)
    regions, cut = _bounded(_regions(read, revised, structured)) if with_text else ((), False)
    edits = revised.edits if revised else ()
    return PageReport(
        number=page,
        states={name: each.state for name, each in found.items()},
        cost_usd=cost_usd,
        printed=structured.printed_page_number if structured else None,
        confidence=_confidence(read.regions) if read else None,
        edits=len(edits) if revised else None,
        listed=edits[:MOST_EDITS] if with_text else (),
        reasons=_reasons(found, revised),
        regions=regions,
        corrected_by=reviser,
        problems=tuple(Problem(page, name, each.problem) for name, each in found.items() if each.problem),
        blank=bool(read and read.blank),
        cut=cut,
    )


def _reasons(found: Mapping[str, Read], revised: RevisedPage | None) -> tuple[str, ...]:
    """Why a person should look at the page: what a model could not settle, and what makes a reading implausible."""
    doubts = (doubt for each in found.values() if each.output is not None for doubt in each.output.doubtful)
    said = (*(revised.reasons if revised else ()), *(doubt.message for doubt in doubts))
    return tuple(dict.fromkeys(said))


def _latest(found: dict[str, Read], kind: type[Output]) -> tuple[str | None, Output | None]:
    """The last stage whose output is of a kind, and that output."""
    for name in reversed(found):
        output = found[name].output
        if isinstance(output, kind):
            return name, output
    return None, None


def _confidence(regions: Iterable[OcrRegion]) -> float | None:
    """Mean over the letters of a page: a long paragraph counts for more than a page number."""
    letters = [(len(region.text.strip()), region.confidence) for region in regions]
    total = sum(count for count, _ in letters)
    return sum(count * confidence for count, confidence in letters) / total if total else None


def _regions(
    read: OcrPage | None, revised: RevisedPage | None, structured: StructuredPage | None
) -> list[RegionReport]:
    """The regions in reading order: as corrected where they have been, else as read."""
    kinds = {block.region: str(block.type) for block in structured.blocks} if structured else {}
    ocr = {region.id: region for region in read.regions} if read else {}
    if revised is not None:
        return [_revised(region, ocr.get(region.id), kinds) for region in revised.regions]
    return [_read_only(region, kinds) for region in ocr.values()]


def _read_only(region: OcrRegion, kinds: Mapping[str, str]) -> RegionReport:
    return RegionReport(
        kind=kinds.get(region.id, str(region.type)),
        confidence=_shown(region),
        before=region.text[:MOST_CHARACTERS],
        after=None,
        review=False,
    )


def _revised(region: RevisedRegion, read: OcrRegion | None, kinds: Mapping[str, str]) -> RegionReport:
    # The text that was corrected is in the correction itself: the OCR may have been done again since.
    return RegionReport(
        kind=kinds.get(region.id, str(region.type)),
        confidence=_shown(read) if read and read.text == region.original_text else None,
        before=region.original_text[:MOST_CHARACTERS],
        after=marks_of(region.original_text[:MOST_CHARACTERS], region.text[:MOST_CHARACTERS]),
        review=region.needs_review,
    )


def _shown(region: OcrRegion) -> float | None:
    """The engine's confidence; that of an image is a share of ink."""
    return region.confidence if region.text.strip() else None


def _bounded(regions: Iterable[RegionReport]) -> tuple[tuple[RegionReport, ...], bool]:
    """The regions until there is no more room, one at least, and whether some of the text may be left out."""
    shown: list[RegionReport] = []
    room = MOST_CHARACTERS
    for region in regions:
        room -= max(len(region.before), sum(len(mark.text) for mark in region.after or ()))
        if room >= 0 or not shown:
            shown.append(region)
    return tuple(shown), room <= 0

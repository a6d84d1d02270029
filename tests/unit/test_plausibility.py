"""When the reading of a page is in doubt: by confidences, by boxes, and by lines in which nothing was read."""

import pytest
from PIL import Image

from tests.unit.test_ocr_stage import ListEngine, OnePage
from worker.ocr.boxes import Box
from worker.ocr.engines.base import OcrLine
from worker.ocr.engines.rapid.engine import RapidOcr
from worker.ocr.engines.registry import ENGINES
from worker.ocr.plausibility import doubts_about
from worker.stages.ocr import OcrStage

TEXT = "funeral, or trying to go to sleep when you ain't"


def lines(
    count: int = 20, text: str = TEXT, confidence: float = 0.95, size: tuple[int, int] = (800, 40)
) -> list[OcrLine]:
    return [OcrLine(text, confidence, Box(60, 50 + 60 * number, *size)) for number in range(count)]


def kinds(found: list[OcrLine], engine: str = "rapidocr") -> list[str]:
    return [doubt.kind for doubt in doubts_about(found, ENGINES[engine].minimum_confidence)]


@pytest.mark.parametrize("confidence", [1.0, 0.95, 0.85])
def test_a_page_that_was_read_well_is_not_in_doubt(confidence: float) -> None:
    assert kinds(lines(confidence=confidence)) == []


def test_a_page_without_text_is_not_in_doubt() -> None:
    assert kinds([]) == []


def test_a_page_read_with_low_confidence_says_how_low_and_over_how_many_characters() -> None:
    [doubt] = doubts_about(lines(10, confidence=0.61), RapidOcr.minimum_confidence)

    assert doubt.kind == "low_confidence"
    assert doubt.message == f"low confidence: 0.61 on average over {10 * len(TEXT)} characters"


@pytest.mark.parametrize(("confidence", "expected"), [(0.59, []), (0.45, ["low_confidence"])])
def test_tesseract_which_is_less_sure_of_what_it_reads_has_a_bound_of_its_own(
    confidence: float, expected: list[str]
) -> None:
    assert kinds(lines(confidence=confidence), "tesseract") == expected


def test_confidence_counts_by_characters_so_that_a_few_specks_decide_nothing() -> None:
    assert kinds([*lines(5), *lines(30, ".", 0.5, (8, 8))]) == []


def test_a_few_specks_on_a_plate_are_no_doubtful_text() -> None:
    assert kinds(lines(5, "i", 0.5, (8, 12))) == []


@pytest.mark.parametrize("confidence", [0.95, 0.6])
def test_a_page_on_its_side_is_in_doubt_however_sure_the_engine_is(confidence: float) -> None:
    assert "upright_lines" in kinds(lines(confidence=confidence, size=(40, 800)))


def test_a_page_number_and_a_lone_initial_that_are_taller_than_wide_do_not_put_a_page_in_doubt() -> None:
    assert kinds([*lines(1), *lines(4, "7", 0.95, (20, 40))]) == []


def test_a_spine_title_beside_lines_that_run_as_they_should_does_not_put_a_page_in_doubt() -> None:
    assert kinds([*lines(6), *lines(2, size=(40, 800))]) == []


@pytest.mark.parametrize("text", ["", ", -.", "n    q n hu g"])
def test_a_script_that_the_engine_has_no_model_for_is_in_doubt_however_sure_the_engine_is(text: str) -> None:
    assert kinds(lines(text=text, confidence=0.95)) == ["unread_ink"]


def test_single_lines_without_text_as_of_ornaments_and_rules_do_not_put_a_page_in_doubt() -> None:
    assert kinds([*lines(2, "THE WELL", size=(280, 40)), *lines(2, "-")]) == []
    assert kinds([*lines(20), *lines(4, "")]) == []


def test_letterspaced_titles_and_chinese_have_enough_characters() -> None:
    assert kinds(lines(4, "T H E   W E L L", size=(480, 40))) == []
    assert kinds(lines(20, "道可道非常道名可名非常名無名天地之始")) == []


def test_the_stage_writes_its_doubts_into_the_output_and_keeps_unread_lines_out_of_the_text() -> None:
    found = [*lines(2, "a few words", 0.95, (300, 40)), *lines(8, "")]

    page = OcrStage(engine=ListEngine(found)).run(7, OnePage(Image.new("L", (1000, 1400), 235)))

    assert [doubt.kind for doubt in page.doubtful] == ["unread_ink"]
    assert "".join(region.text for region in page.regions).split() == ["a", "few", "words"] * 2

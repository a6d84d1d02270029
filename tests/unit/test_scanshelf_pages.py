"""Pages of Scanshelf's count as outputs of ours, and are handed on in the form of today."""

import json
from pathlib import Path
from typing import Any

import pytest

from checkpointing.output_schema import OutputSchema
from checkpointing.outputs import OutputFolder, Problem
from tests.support.model_inputs import PreparedInputs, revision
from tests.support.scanshelf import blocks_page, corrected_page, read_page, write_json, write_page
from worker.stages.correction import CorrectedPage, CorrectionStage
from worker.stages.fix import FixStage
from worker.stages.ocr import OcrPage


def folder_of(root: Path, name: str, schema: type) -> OutputFolder:
    return OutputFolder(root / name, OutputSchema.of(schema))


def broken(**changes: Any) -> dict[str, Any]:
    return {**read_page(1), **changes}


def region(**changes: Any) -> dict[str, Any]:
    return {**read_page(1)["regions"][1], "reading_order": 1, **changes}


def test_a_page_that_scanshelf_read_is_an_output(tmp_path: Path) -> None:
    file = write_page(tmp_path, "ocr", read_page(3))
    before = file.read_bytes()
    outputs = folder_of(tmp_path, "ocr", OcrPage)

    assert outputs.check(3).valid
    page = OcrPage.model_validate(outputs.load(3))
    assert [(each.id, each.type, each.reading_order) for each in page.regions] == [
        ("r1", "header", 1),
        ("r2", "body", 2),
        ("r3", "image", 3),
        ("r4", "caption", 4),
        ("r5", "footer", 5),
    ]
    assert page.regions[1].text == "On page 3 tbe presideut walked in."
    assert page.ocr_timestamp is not None
    assert (page.blank, page.engine, page.dpi, page.seconds, page.made_from) == (
        False,
        "tesseract",
        None,
        None,
        None,
    )
    assert file.read_bytes() == before


def test_a_page_with_nothing_on_it_and_one_that_names_its_regions_count(tmp_path: Path) -> None:
    write_page(tmp_path, "ocr", broken(regions=[]))
    named = {**read_page(2), "regions": [region(id="r0", reading_order=4), region(id="r1", reading_order=2)]}
    del named["ocr_timestamp"]
    write_page(tmp_path, "ocr", named)
    outputs = folder_of(tmp_path, "ocr", OcrPage)
    assert outputs.check(1).valid
    assert outputs.load(1)["blank"] is True
    assert outputs.check(2).valid
    assert [(each["id"], each["reading_order"]) for each in outputs.load(2)["regions"]] == [("r1", 1), ("r0", 2)]


def test_a_page_in_blocks_is_an_output(tmp_path: Path) -> None:
    write_page(tmp_path, "ocr", blocks_page(4))
    outputs = folder_of(tmp_path, "ocr", OcrPage)
    assert outputs.check(4).valid
    page = OcrPage.model_validate(outputs.load(4))
    assert [(each.id, each.type, each.text) for each in page.regions] == [
        ("r1", "body", "THE PRESIDENT"),
        ("r2", "body", "On page 4 tbe presideut"),
        ("r3", "body", "walked in."),
        ("r4", "image", ""),
    ]
    assert page.regions[0].confidence == 0.91


@pytest.mark.parametrize(
    "data",
    [
        {**blocks_page(1), "blocks": [{"paragraphs": [{"bbox": [0, 0, 5, 5], "text": " ", "avg_confidence": 1}]}]},
        broken(page_number=2),
        broken(page_dimensions={}),
        broken(regions=[region(), region(id=9)]),
        broken(regions=[region(text="<placeholder>")]),
        broken(regions=[region(text=" ")]),
        broken(regions=[region(confidence=None)]),
        broken(regions=[region(bbox=[2000, 10, 900, 10])]),
        broken(regions=[region(type="unheard of")]),
        broken(regions=None),
        {"page_number": 1, "status": "failed", "error": "timed out"},
        {},
        [],
    ],
)
def test_a_page_that_is_not_valid_by_its_own_form_does_not_count(tmp_path: Path, data: Any) -> None:
    write_json(tmp_path / "ocr" / "page_0001.json", data)
    assert folder_of(tmp_path, "ocr", OcrPage).check(1).problem is Problem.INVALID


def test_a_page_of_ours_is_not_taken_for_an_older_one(tmp_path: Path) -> None:
    write_page(tmp_path, "ocr", {**read_page(1), "engine": "rapidocr"})
    assert folder_of(tmp_path, "ocr", OcrPage).check(1).problem is Problem.INVALID


def test_what_scanshelf_read_is_corrected(tmp_path: Path) -> None:
    for page in (6, 7, 8):
        write_page(tmp_path, "ocr", read_page(page))
    outputs = folder_of(tmp_path, "ocr", OcrPage)
    answer = revision("THE PRESIDENT", "On page 7 the president walked in.")
    answer["regions"].append({"id": "r4", "text": "LIBRARY OF CONGRESS", "edits": []})
    inputs = PreparedInputs({("ocr", page): outputs.load(page) for page in (6, 7, 8)}, answer)
    page = CorrectionStage().run(7, inputs)
    assert page.regions[1].text == "On page 7 the president walked in."
    assert json.loads(inputs.prompts[0].user)["before"] == "On page 6 tbe presideut walked in."


def test_a_page_that_scanshelf_corrected_is_an_output_with_its_edits(tmp_path: Path) -> None:
    write_page(tmp_path, "corrected", corrected_page(7))
    outputs = folder_of(tmp_path, "corrected", CorrectedPage)

    assert outputs.check(7).valid
    page = CorrectedPage.model_validate(outputs.load(7))
    assert page.regions[1].text == "On page 7 the president walked in."
    assert page.regions[1].original_text == "On page 7 tbe presideut walked in."
    assert [(edit.original, edit.corrected, edit.kind.value, edit.confidence) for edit in page.edits] == [
        ("tbe", "the", "character_substitution", 0.95),
        ("presideut", "president", "typo", 0.9),
    ]
    assert (page.needs_review, page.skipped, page.llm) == (False, False, None)
    fixed = FixStage().run(7, PreparedInputs({("correction", 7): outputs.load(7)}))
    assert (fixed.skipped, fixed.regions[1].text) == (True, page.regions[1].text)


def test_a_page_that_scanshelf_doubted_needs_a_review_until_it_was_fixed(tmp_path: Path) -> None:
    doubtful = corrected_page(7, confidence=0.5)
    assert CorrectedPage.from_older_form(doubtful) is not None
    write_page(tmp_path, "corrected", doubtful)
    outputs = folder_of(tmp_path, "corrected", CorrectedPage)
    page = CorrectedPage.model_validate(outputs.load(7))
    assert page.reasons == ("a correction was missed",)
    assert [each.needs_review for each in page.regions] == [True, True, False, True, False]

    doubtful["regions"][1]["text"] = "On page 7 the[FIXED:A4-1] president[CORRECTED:2] walked in."
    doubtful["llm_processing"]["agent4_fixes"] = {"missed_corrections": []}
    write_page(tmp_path, "corrected", doubtful)
    page = CorrectedPage.model_validate(outputs.load(7))
    assert not page.needs_review
    assert page.regions[1].text == "On page 7 the president walked in."
    assert [edit.corrected for edit in page.edits] == ["president"]


def test_a_page_without_text_was_skipped_and_one_that_failed_does_not_count(tmp_path: Path) -> None:
    skipped = {**read_page(1), "regions": [], "llm_processing": {"skipped": True, "skip_reason": "no regions"}}
    failed = corrected_page(2)
    failed["llm_processing"]["error_catalog"] = {"total_errors_found": 0, "errors": [], "error_message": "429"}
    for data in (skipped, failed):
        write_page(tmp_path, "corrected", data)
    outputs = folder_of(tmp_path, "corrected", CorrectedPage)
    assert outputs.check(1).valid
    assert outputs.load(1)["skipped"] is True
    assert outputs.check(2).problem is Problem.INVALID

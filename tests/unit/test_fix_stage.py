"""The fix stage with prepared answers: doubtful pages are compared with their picture, the others cost nothing."""

import json
from typing import Any

import pytest

from tests.support.model_inputs import LLM, PAGE, PreparedInputs, revised_page, revision
from worker.llm.errors import AnswerRefusedError
from worker.stages.base import Stage
from worker.stages.fix import FixAnswer, FixedPage, FixStage

BODY, HEADER = ("body", "Call me Ishrnael."), ("header", "THE WHALE")
REASON = "a word is cut off"


def corrected(*regions: tuple[str, str], reasons: tuple[str, ...] = (REASON,)) -> dict[str, Any]:
    return revised_page(*(regions or (BODY,)), reasons=reasons)


def fix(page: dict[str, Any], answer: dict[str, Any] | None = None) -> tuple[FixedPage, PreparedInputs]:
    prepared = PreparedInputs({("correction", PAGE): page}, answer)
    return FixStage().run(PAGE, prepared), prepared


def edit(original: str, corrected_text: str, confidence: float = 0.9) -> dict[str, Any]:
    return {"original": original, "corrected": corrected_text, "kind": "typo", "confidence": confidence}


def test_a_page_without_doubts_passes_through_at_no_cost() -> None:
    before = corrected(BODY, HEADER, ("image", ""), reasons=())
    before["regions"][0]["text"] = "Call me Ishmael."
    before["edits"] = [{"region": "r1", **edit("Ishrnael", "Ishmael")}]

    page, _ = fix(before)

    after = page.model_dump(mode="json")
    assert (page.skipped, page.llm, page.needs_review) == (True, None, False)
    assert (after["regions"], after["edits"]) == (before["regions"], before["edits"])


def test_a_doubtful_page_is_compared_with_its_picture() -> None:
    page, prepared = fix(corrected(), revision("Call me Ishmael.", edits=(edit("Ishrnael", "Ishmael"),)))

    (prompt,) = prepared.prompts
    assert prompt.picture is not None
    assert json.loads(prompt.user) == {
        "page": PAGE,
        "reasons": [REASON],
        "regions": [{"id": "r1", "type": "body", "text": "Call me Ishrnael."}],
    }
    assert (page.regions[0].text, page.regions[0].original_text) == ("Call me Ishmael.", "Call me Ishrnael.")
    assert (page.needs_review, page.reasons, page.skipped, page.llm) == (False, (), False, LLM)
    assert not page.regions[0].needs_review
    assert FixedPage.model_validate_json(page.model_dump_json()) == page


def test_only_flagged_regions_are_asked_about_and_the_others_keep_their_text_and_edits() -> None:
    before = corrected(("header", "TNE WHALE"), BODY)
    before["regions"][0] |= {"text": "THE WHALE", "needs_review": False}
    before["edits"] = [{"region": "r1", **edit("TNE", "THE")}]
    answer = {
        "regions": [{"id": "r2", "text": "Call me Ishmael.", "edits": []}],
        "needs_review": False,
        "reasons": [],
    }

    page, prepared = fix(before, answer)

    assert [region["id"] for region in json.loads(prepared.prompts[0].user)["regions"]] == ["r2"]
    assert [region.text for region in page.regions] == ["THE WHALE", "Call me Ishmael."]
    assert [(edit.region, edit.original) for edit in page.edits] == [("r1", "TNE"), ("r2", "Ishrnael.")]


def test_edits_lead_from_what_the_engine_read_to_the_text_as_it_is_now() -> None:
    before = corrected(("body", "Cal1 me Ishrnael."))
    before["regions"][0]["text"] = "Call me Ishmae1."
    before["edits"] = [{"region": "r1", **edit("Cal1", "Call")}, {"region": "r1", **edit("Ishrnael", "Ishmae1")}]

    page, _ = fix(before, revision("Call me Ishmael.", edits=(edit("Ishmae1", "Ishmael"),)))

    assert [(edit.original, edit.corrected, edit.confidence) for edit in page.edits] == [
        ("Cal1", "Call", 0.9),
        ("Ishrnael.", "Ishmael.", 0.5),
    ]


def test_a_correction_that_is_taken_back_leaves_no_edit() -> None:
    before = corrected(("body", "Call me Ishmael."))
    before["regions"][0]["text"] = "Call me Ismael."
    before["edits"] = [{"region": "r1", **edit("Ishmael", "Ismael")}]

    page, _ = fix(before, revision("Call me Ishmael."))

    assert page.edits == ()


def test_what_was_taken_for_an_artifact_may_be_print_after_all() -> None:
    before = corrected(("body", "* * *"))
    before["regions"][0]["text"] = ""
    before["edits"] = [{"region": "r1", **edit("* * *", "")}]

    page, _ = fix(before, revision("* * *"))

    assert (page.regions[0].text, page.edits) == ("* * *", ())


def test_a_page_that_cannot_be_made_out_still_needs_a_person() -> None:
    page, _ = fix(corrected(HEADER, BODY), revision(HEADER[1], BODY[1], needs_review=True, reasons=("torn off",)))

    assert (page.needs_review, page.reasons) == (True, ("torn off",))
    assert all(region.needs_review for region in page.regions)


def test_an_answer_about_other_regions_is_refused() -> None:
    with pytest.raises(AnswerRefusedError) as refused:
        fix(corrected(), revision(BODY[1], "and more"))
    assert refused.value.kind == "regions_lost"


def test_the_stage_is_what_the_machinery_takes_it_for() -> None:
    stage: Stage = FixStage()

    assert stage.uses_model
    assert stage.recipe.startswith("fix 1, instructions ")
    assert FixAnswer.model_json_schema()["title"] == "fix"

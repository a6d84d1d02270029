"""The correction stage with prepared answers: what it asks, what it makes of an answer, what it refuses."""

import json
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from checkpointing.errors import PageOutputError
from tests.support.model_inputs import LLM, PAGE, PreparedInputs, ocr_page, revision
from worker.llm.errors import AnswerRefusedError
from worker.stages.base import Stage
from worker.stages.correction import CorrectedPage, CorrectionStage
from worker.stages.options import CorrectionOptions
from worker.text.edits import AnsweredEdit, EditKind, edits_of

HEADER, BODY, FOOTER, IMAGE = (
    ("header", "THE WHALE"),
    ("body", "Call me Ishrnael."),
    ("footer", "12"),
    ("image", ""),
)
EDIT: dict[str, Any] = {
    "original": "Ishrnael",
    "corrected": "Ishmael",
    "kind": "character_substitution",
    "confidence": 0.97,
}


def inputs(*regions: tuple[str, str], answer: dict[str, Any] | None = None, **ocr: Any) -> PreparedInputs:
    return PreparedInputs({("ocr", PAGE): ocr_page(*regions, **ocr)}, answer)


def correct(answer: dict[str, Any], *regions: tuple[str, str], **ocr: Any) -> CorrectedPage:
    return CorrectionStage().run(PAGE, inputs(*(regions or [BODY]), answer=answer, **ocr))


def asked(prepared: PreparedInputs) -> Any:
    return json.loads(prepared.prompts[0].user)


def test_a_misread_word_is_put_right() -> None:
    page = correct(revision("Call me Ishmael.", edits=(EDIT,)))

    region = page.regions[0]
    assert (region.text, region.original_text) == ("Call me Ishmael.", "Call me Ishrnael.")
    assert [edit.model_dump(mode="json") for edit in page.edits] == [{"region": "r1", **EDIT}]
    assert (page.page_number, page.needs_review, page.reasons, page.skipped) == (PAGE, False, (), False)
    assert page.llm == LLM
    assert CorrectedPage.model_validate_json(page.model_dump_json()) == page


def test_headers_bodies_and_captions_are_asked_about_and_all_regions_are_kept() -> None:
    caption = ("caption", "Fig. 1")
    answer = revision("THE WHALE", "Call me Ishrnael.")
    answer["regions"].append({"id": "r4", "text": "Fig. 1", "edits": []})
    prepared = inputs(HEADER, BODY, IMAGE, caption, FOOTER, answer=answer)

    page = CorrectionStage().run(PAGE, prepared)

    assert asked(prepared)["regions"] == [
        {"id": "r1", "type": "header", "text": "THE WHALE"},
        {"id": "r2", "type": "body", "text": "Call me Ishrnael."},
        {"id": "r4", "type": "caption", "text": "Fig. 1"},
    ]
    assert [region.type for region in page.regions] == ["header", "body", "image", "caption", "footer"]


def test_verse_and_notes_are_asked_about_and_page_numbers_signatures_and_catchwords_are_not() -> None:
    notes = BODY, ("verse", "The ribs\nAnd terrors"), ("marginalia", "Of whales"), ("footnote", "* A note.")
    others = ("page_number", "17"), ("signature", "B 2"), ("catchword", "whale")
    prepared = inputs(*notes, *others, answer=revision(*(text for _, text in notes)))

    page = CorrectionStage().run(PAGE, prepared)

    assert [(region["type"], region["text"]) for region in asked(prepared)["regions"]] == list(notes)
    assert [(region.type, region.text) for region in page.regions] == [*notes, *others]


def test_the_pages_around_give_their_nearest_body_text() -> None:
    prepared = inputs(BODY, answer=revision(BODY[1]))
    prepared.outputs["ocr", PAGE - 1] = ocr_page(HEADER, ("body", "a" * 600), ("body", "end"), page=PAGE - 1)
    prepared.outputs["ocr", PAGE + 1] = ocr_page(("body", "begin" + "b" * 600), FOOTER, page=PAGE + 1)

    CorrectionStage().run(PAGE, prepared)

    question = asked(prepared)
    assert question["page"] == PAGE
    assert question["before"] == "a" * 496 + "\nend"
    assert question["after"] == "begin" + "b" * 495


@pytest.mark.parametrize("page", [1, 5, 10])
def test_a_neighbour_that_is_not_there_says_nothing(page: int) -> None:
    prepared = PreparedInputs({("ocr", page): ocr_page(BODY, page=page)}, revision(BODY[1]))

    CorrectionStage().run(page, prepared)

    assert (asked(prepared)["before"], asked(prepared)["after"]) == ("", "")


def test_a_page_that_was_not_read_cannot_be_corrected() -> None:
    with pytest.raises(PageOutputError):
        CorrectionStage().run(PAGE, PreparedInputs({}))


@pytest.mark.parametrize("regions", [(), (IMAGE,), (IMAGE, FOOTER)])
def test_a_page_with_nothing_to_correct_costs_nothing(regions: tuple[tuple[str, str], ...]) -> None:
    page = CorrectionStage().run(PAGE, inputs(*regions))

    assert page.skipped
    assert page.llm is None
    assert len(page.regions) == len(regions)


def test_a_picture_goes_along_only_when_the_model_is_to_see() -> None:
    blind, seeing = inputs(BODY, answer=revision(BODY[1])), inputs(BODY, answer=revision(BODY[1]))
    seeing.picture = Image.new("RGBA", (3000, 4000), "white")

    CorrectionStage().run(PAGE, blind)
    CorrectionStage(CorrectionOptions(correction_vision=True)).run(PAGE, seeing)

    assert blind.prompts[0].picture is None
    picture = seeing.prompts[0].picture
    assert picture is not None
    assert (picture.media_type, picture.width, picture.height) == ("image/jpeg", 1200, 1600)
    with Image.open(BytesIO(picture.data)) as image:
        assert (image.format, image.size) == ("JPEG", (1200, 1600))


def test_a_longer_page_may_be_answered_at_more_length() -> None:
    short, long = (
        inputs(("body", "a"), answer=revision("a")),
        inputs(("body", "ä" * 900), answer=revision("ä" * 900)),
    )

    CorrectionStage().run(PAGE, short)
    CorrectionStage().run(PAGE, long)

    assert short.prompts[0].most_tokens == 1024 + 64 + 2
    assert long.prompts[0].most_tokens == 1024 + 64 + 2 * 1800


def test_the_model_may_ask_for_a_review() -> None:
    page = correct(
        revision("THE WHALE", BODY[1], needs_review=True, reasons=("a word is cut off",)), HEADER, BODY, FOOTER
    )

    assert page.reasons == ("a word is cut off",)
    assert [region.needs_review for region in page.regions] == [True, True, False]


@pytest.mark.parametrize("reasons", [(), ("  ",)])
def test_a_review_that_the_model_does_not_explain_has_a_reason_all_the_same(reasons: tuple[str, ...]) -> None:
    page = correct(revision(BODY[1], needs_review=True, reasons=reasons))

    assert page.needs_review
    assert page.reasons == ("the model asks for a review without a reason",)


def test_reasons_without_a_review_are_not_kept() -> None:
    page = correct(revision(BODY[1], reasons=("all is well",)))

    assert (page.needs_review, page.reasons) == (False, ())


def test_only_the_region_with_unsure_edits_is_flagged() -> None:
    answer = revision("Call me Ishmael.", "THE WHALE", edits=(EDIT | {"confidence": 0.4},))

    page = correct(answer, BODY, HEADER)

    assert page.reasons == ("the edits of r1 are unsure: 0.40 on average",)
    assert [region.needs_review for region in page.regions] == [True, False]


def test_a_region_that_was_hard_to_read_is_flagged() -> None:
    page = correct(revision(BODY[1]), BODY, FOOTER, confidence=0.5)

    assert page.reasons == ("r1 was hard to read: confidence 0.50",)
    assert [region.needs_review for region in page.regions] == [True, False]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Call me Queequeg Ishrnael the whaler of old Nantucket.", "length"),
        ("I'm sorry, I can't do that", "refusal"),
        ("Here is the corrected text: me", "commentary"),
        ("Call me" + " me" * 100, "loop"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(text: str, kind: str) -> None:
    with pytest.raises(AnswerRefusedError) as refused:
        correct(revision(text))
    assert refused.value.kind == kind


@given(st.text(max_size=60), st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=3))
def test_an_answer_becomes_an_output_that_can_be_read_again_or_is_refused(
    text: str, edits: list[tuple[str, str]]
) -> None:
    """Any other error would leave an answer that was paid for usable, and the page failing for ever."""
    listed = tuple(EDIT | {"original": original, "corrected": corrected} for original, corrected in edits)
    if text.strip() in {"<text>", "<placeholder>", "{{text}}", "[PLACEHOLDER]"}:
        return
    try:
        page = correct(revision(text, edits=listed))
    except AnswerRefusedError:
        return
    assert CorrectedPage.model_validate_json(page.model_dump_json()) == page


def listed(original: str, corrected: str) -> AnsweredEdit:
    return AnsweredEdit.model_validate(EDIT | {"original": original, "corrected": corrected})


@pytest.mark.parametrize(
    ("original", "text", "kind"),
    [
        ("tbe cat", "the cat", EditKind.CHARACTER_SUBSTITUTION),
        ("th e cat", "the cat", EditKind.SPACING),
        ("rabbit hole", "rabbit-hole", EditKind.HYPHENATION),
        ("~~ the cat", "the cat", EditKind.ARTIFACT),
        ("teh-cats", "the cat", EditKind.TYPO),
    ],
)
def test_a_change_that_was_not_listed_is_found(original: str, text: str, kind: EditKind) -> None:
    (edit,) = edits_of("r1", original, text, [])

    assert (edit.kind, edit.confidence) == (kind, 0.5)
    assert original.replace(edit.original, edit.corrected) == text


def test_edits_that_the_texts_do_not_bear_out_are_dropped() -> None:
    claims = [listed("dog", "cat"), listed("tbe", "thee"), listed("cat", "cat")]

    assert [(edit.original, edit.corrected) for edit in edits_of("r1", "tbe cat", "the cat", claims)] == [
        ("tbe", "the")
    ]


def test_no_edit_is_kept_of_a_text_that_did_not_change() -> None:
    assert edits_of("r1", "the cat", "the cat", [listed("the", "cat")]) == []


def test_listed_edits_are_not_listed_again_and_the_missing_one_is_added() -> None:
    found = edits_of(
        "r1", "tbe cat sat on tlie rnat", "the cat sat on the mat", [listed("tbe", "the"), listed("tlie", "the")]
    )

    assert [(edit.original, edit.confidence) for edit in found] == [
        ("tbe", 0.97),
        ("tlie", 0.97),
        ("tlie rnat", 0.5),
    ]


def test_the_stage_is_what_the_machinery_takes_it_for() -> None:
    stage: Stage = CorrectionStage()

    assert stage.uses_model
    assert stage.recipe.startswith("correction 1, instructions ")
    assert CorrectionStage(CorrectionOptions(correction_vision=True)).recipe == f"{stage.recipe}, vision"


def test_inputs_without_a_model_are_a_mistake() -> None:
    with pytest.raises(TypeError, match="can ask one"):
        CorrectionStage().run(PAGE, object())  # type: ignore[arg-type]  # what is tried here

"""The structure stage with prepared answers, and the schema of its output."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.model_inputs import LLM, PAGE, PreparedInputs, revised_page
from worker.llm.errors import AnswerRefusedError
from worker.stages.base import Stage
from worker.stages.structure import StructureAnswer, StructureStage
from worker.stages.structured_page import StructuredPage

REGIONS = (
    ("header", "THE WHALE 12"),
    ("body", "CHAPTER I\nLoom-\nings"),
    ("body", "Call me Ishmael."),
    ("image", ""),
)
ANSWER: dict[str, Any] = {
    "printed_page_number": "12",
    "running_head": "THE WHALE",
    "running_foot": None,
    "headings": [
        {"region": "r2", "text": "CHAPTER I", "level": 1},
        {"region": "r2", "text": "Loomings", "level": 2},
    ],
    "blocks": [
        {"region": "r1", "type": "header"},
        {"region": "r2", "type": "heading"},
        {"region": "r3", "type": "body"},
        {"region": "r4", "type": "image"},
    ],
}


def structure(answer: dict[str, Any] | None, *regions: tuple[str, str]) -> tuple[StructuredPage, PreparedInputs]:
    prepared = PreparedInputs({("fix", PAGE): revised_page(*regions)}, answer)
    return StructureStage().run(PAGE, prepared), prepared


def output() -> dict[str, Any]:
    """A valid output, as parsed JSON."""
    return structure(ANSWER, *REGIONS)[0].model_dump(mode="json")


def refusal_of(**changes: Any) -> str:
    with pytest.raises(AnswerRefusedError) as refused:
        structure(ANSWER | changes, *REGIONS)
    return refused.value.kind


def test_a_page_is_described() -> None:
    page, prepared = structure(ANSWER, *REGIONS)

    assert json.loads(prepared.prompts[0].user) == {
        "page": PAGE,
        "regions": [{"id": f"r{i}", "type": kind, "text": text} for i, (kind, text) in enumerate(REGIONS, start=1)],
    }
    said = page.model_dump(mode="json")
    assert {key: said[key] for key in ANSWER} == ANSWER
    assert [(region.id, region.text) for region in page.regions][1] == ("r2", "CHAPTER I\nLoom-\nings")
    assert (page.page_number, page.skipped, page.llm) == (PAGE, False, LLM)
    assert StructuredPage.model_validate_json(page.model_dump_json()) == page


def test_blocks_and_headings_come_in_reading_order_and_once() -> None:
    headings = [{"region": "r3", "text": "Call me", "level": 3}, *ANSWER["headings"], *ANSWER["headings"]]
    shuffled = ANSWER | {"blocks": ANSWER["blocks"][::-1], "headings": headings}

    page, _ = structure(shuffled, *REGIONS)

    assert [block.region for block in page.blocks] == ["r1", "r2", "r3", "r4"]
    assert [heading.text for heading in page.headings] == ["CHAPTER I", "Loomings", "Call me"]


@pytest.mark.parametrize("regions", [(), (("image", ""),)])
def test_a_page_without_text_costs_nothing(regions: tuple[tuple[str, str], ...]) -> None:
    page, _ = structure(None, *regions)

    assert (page.skipped, page.llm, page.headings) == (True, None, ())
    assert [block.type for block in page.blocks] == ["image"] * len(regions)


def test_blank_words_are_none() -> None:
    page, _ = structure(ANSWER | {"running_head": " ", "printed_page_number": ""}, *REGIONS)

    assert (page.running_head, page.printed_page_number) == (None, None)


@pytest.mark.parametrize(
    "blocks",
    [
        ANSWER["blocks"][1:],
        [*ANSWER["blocks"], ANSWER["blocks"][0]],
        [*ANSWER["blocks"], {"region": "r9", "type": "body"}],
    ],
)
def test_each_region_is_to_have_one_block(blocks: list[dict[str, str]]) -> None:
    assert refusal_of(blocks=blocks) == "regions_lost"


@pytest.mark.parametrize(("region", "text"), [("r9", "CHAPTER I"), ("r2", "CHAPTER II"), ("r2", " "), ("r4", "I")])
def test_a_heading_is_to_stand_in_its_region(region: str, text: str) -> None:
    assert refusal_of(headings=[{"region": region, "text": text, "level": 1}]) == "not_on_page"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"running_head": "THE WHALE " * 300}, "loop"),
        ({"running_foot": "and so on " * 20}, "loop"),
        ({"printed_page_number": "page twelve of a long book"}, "length"),
    ],
)
def test_margins_do_not_run_wild(changes: dict[str, str], kind: str) -> None:
    assert refusal_of(**changes) == kind


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"blocks": []}, "one block for each region"),
        ({"blocks": ANSWER["blocks"][::-1]}, "in the same order"),
        ({"headings": [{"region": "r3", "text": "Moby Dick", "level": 1}]}, "is not in the text of r3"),
        ({"headings": [{"region": "r2", "text": "CHAPTER I", "level": 7}]}, "less than or equal to 6"),
        ({"llm": None}, "exactly when no model"),
        ({"skipped": True}, "exactly when no model"),
        ({"regions": [{"id": "r1", "text": "one"}] * 4}, "same id"),
    ],
)
def test_an_output_that_contradicts_itself_is_invalid(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        StructuredPage.model_validate(output() | changes)


def test_the_pages_are_put_together() -> None:
    book = StructureStage().assemble([output()])

    assert [(chapter.title, chapter.printed_start) for chapter in book.chapters] == [("CHAPTER I. Loomings", "12")]


def test_the_stage_is_what_the_machinery_takes_it_for() -> None:
    stage: Stage = StructureStage()

    assert stage.uses_model
    assert stage.recipe.startswith("structure 1, instructions ")
    assert StructureAnswer.model_json_schema()["title"] == "structure"

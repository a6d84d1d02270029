"""The examples of docs/ are outputs as the stages write them."""

from pathlib import Path

import pytest

from worker.config.settings import Settings
from worker.stages.chapters import BookStructure
from worker.stages.registry import make_stage

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.parametrize("stage", ["ocr", "correction", "fix", "structure"])
def test_an_example_is_an_output_of_its_stage(stage: str) -> None:
    raw = (EXAMPLES / f"{stage}.json").read_bytes()
    output = make_stage(stage, Settings()).schema.model_validate_json(raw)
    assert output.made_from is not None


def test_the_example_of_the_whole_book_is_one() -> None:
    raw = (EXAMPLES / "structure-metadata.json").read_text()
    _, _, rest = raw.partition('"made_of_sha256"')
    book = BookStructure.model_validate_json("{" + rest.partition(",")[2])
    assert [chapter.title for chapter in book.chapters] == [
        "CHAPTER I. Down the Rabbit-Hole",
        "CHAPTER II. The Pool of Tears",
    ]

"""The questions of the stages keep their words, also in docstrings of the answers: these are in the schema.

An answer that was paid for is found again by the hash of its question. A change of words, even of a docstring,
would pay once more for the pages that were interrupted by the upgrade, and should be made on purpose, with a new
recipe.
"""

import hashlib
import json

import pytest
from pydantic import BaseModel

from worker.llm.request_form import strict_format
from worker.stages import correction, fix, structure


@pytest.mark.parametrize(
    ("answer", "instructions", "digits"),
    [
        (correction.CorrectionAnswer, correction._SYSTEM, "d3a834f1"),
        (fix.FixAnswer, fix._SYSTEM, "cd894697"),
        (structure.StructureAnswer, structure._SYSTEM, "fb6bbc89"),
    ],
)
def test_the_words_of_a_question_are_unchanged(answer: type[BaseModel], instructions: str, digits: str) -> None:
    question = json.dumps([strict_format(answer), instructions], sort_keys=True)
    assert hashlib.sha256(question.encode()).hexdigest()[:8] == digits

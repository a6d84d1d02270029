"""Numbers with their nouns."""

import pytest

from checkpointing.plurals import counted


@pytest.mark.parametrize(
    ("number", "noun", "plural", "expected"),
    [
        (0, "page", "", "0 pages"),
        (1, "page", "", "1 page"),
        (2, "page", "", "2 pages"),
        (1, "page is", "pages are", "1 page is"),
        (1200, "page is", "pages are", "1200 pages are"),
    ],
)
def test_a_number_and_its_noun_agree(number: int, noun: str, plural: str, expected: str) -> None:
    assert counted(number, noun, plural) == expected

"""Words that stand twice in a row where no book means them to, and those that a book does mean."""

import pytest

from worker.text.doubled_words import doubled_words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("He could not not go.", ("not not",)),
        ("It was was late, and the the door", ("was was", "the the")),
        ("The the door", ("The the",)),
        ("it was\nwas late", ("was was",)),
        ("er war war müde", ("war war",)),
        ("wasn't wasn't", ("wasn't wasn't",)),
        ("was was, and again was was", ("was was",)),
    ],
)
def test_words_that_stand_twice_are_found_once_each(text: str, found: tuple[str, ...]) -> None:
    assert doubled_words(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "He had had enough, and said that that was all.",
        "He gave her her book; what it is is clear.",
        "die Frau, die die Blumen trug",
        "a very very long, long way",
        "Walla Walla and New York, New York",
        "no, no; hush! hush!",
        "1 1 2 2 a a",
        "notnot not-not the theme other the",
        "was. Was",
        "",
    ],
)
def test_words_that_a_book_may_repeat_are_not_found(text: str) -> None:
    assert doubled_words(text) == ()

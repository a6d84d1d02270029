"""Where in the sample book a text comes from, found by its words however badly they were read."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from sample.text import AUTHOR, CAPTION, CHAPTERS, PUBLISHER, RUNNING_TITLE, TITLE

_MAX_PLACES = 20
"""Words that the book has more often say too little about where a text comes from."""
_MIN_SLACK = 2
_WORDS_OF_SLACK = 16
"""For each of these words of a text one more may have been split, joined or lost."""


def find_passage(words: Sequence[str]) -> tuple[str, ...]:
    """The words of the book around the place that most of these stand in, a few more at both ends; or none.

    Each word votes for the distance between its place in the text and its places in the book.
    """
    slack = _MIN_SLACK + len(words) // _WORDS_OF_SLACK
    votes: Counter[int] = Counter()
    for position, word in enumerate(words):
        places = _places().get(word, ())
        if len(places) <= _MAX_PLACES:
            votes.update(place - position for place in places)
    if not votes:
        return ()
    shift = max(votes, key=lambda candidate: (_votes_near(votes, candidate, slack), -candidate))
    return _book()[max(0, shift - slack) : max(0, shift + len(words) + slack)]


def _votes_near(votes: Mapping[int, int], shift: int, slack: int) -> int:
    return sum(votes.get(near, 0) for near in range(shift - slack, shift + slack + 1))


@cache
def _book() -> tuple[str, ...]:
    return tuple(word for text in _texts() for word in text.split())


@cache
def _places() -> Mapping[str, Sequence[int]]:
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(_book()):
        places[word].append(place)
    return dict(places)


def _texts() -> Iterator[str]:
    """Everything that the book prints but for page numbers."""
    yield from (*TITLE, "BY", AUTHOR, *PUBLISHER, RUNNING_TITLE, CAPTION)
    for chapter in CHAPTERS:
        yield chapter.title.upper()
    for chapter in CHAPTERS:
        yield from (chapter.label, chapter.title, *chapter.paragraphs)

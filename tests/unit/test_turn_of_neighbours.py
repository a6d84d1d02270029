"""The turn of a page that does not tell it, from the pages around it."""

from collections.abc import Mapping

import pytest

from worker.pages.geometry.neighbours import Turn, is_in_doubt, turn_of_neighbours
from worker.pages.geometry.transform import Confidence, Geometry, Size


def geometry(turns: int, confidence: float = 0.999) -> Geometry:
    size = Size(width=600, height=800)
    sure = Confidence(rotate=confidence)
    return Geometry(source=size, box=(0, 0, 600, 800), quarter_turns=turns, skew=0, confidence=sure)


def turn(pages: Mapping[int, Geometry | None], page: int = 5, total: int = 9) -> tuple[Turn | None, list[int]]:
    """Return the turn, and the pages that were looked at."""
    seen: list[int] = []

    def find(neighbour: int) -> Geometry | None:
        seen.append(neighbour)
        return pages.get(neighbour)

    return turn_of_neighbours(page, total, find), seen


def test_a_turn_on_which_the_neighbours_agree_is_that_of_the_page() -> None:
    found, _ = turn({4: geometry(1), 6: geometry(1), 3: geometry(1), 7: geometry(1)})
    assert found == Turn(1, (3, 4, 6, 7))


def test_a_neighbour_in_doubt_or_that_cannot_be_rendered_does_not_count() -> None:
    found, _ = turn({4: geometry(3, confidence=0.6), 3: geometry(2), 7: geometry(2)})
    assert found == Turn(2, (3, 7))


@pytest.mark.parametrize("pages", [{}, {4: geometry(1)}, {4: geometry(1), 6: geometry(3)}])
def test_too_few_neighbours_or_such_that_differ_give_no_turn(pages: Mapping[int, Geometry]) -> None:
    assert turn(pages)[0] is None


def test_an_upright_neighbour_ends_the_search() -> None:
    assert turn({4: geometry(0), 6: geometry(1)}) == (None, [4])


def test_only_pages_of_the_book_are_looked_at() -> None:
    assert turn({}, page=1, total=2)[1] == [2]


def test_a_page_is_in_doubt_below_two_standard_deviations() -> None:
    assert is_in_doubt(geometry(0, confidence=0.97))
    assert not is_in_doubt(geometry(0, confidence=0.98))

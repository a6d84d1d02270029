import random

import pytest

from tests.support.character_errors import character_error_rate, edit_distance


@pytest.mark.parametrize(
    ("left", "right", "distance"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
        ("intention", "execution", 5),
        ("saturday", "sunday", 3),
        ("flaw", "lawn", 2),
    ],
)
def test_distances_known_from_the_literature(left: str, right: str, distance: int) -> None:
    assert edit_distance(left, right) == distance
    assert edit_distance(right, left) == distance


def test_the_distance_agrees_with_its_recursive_definition() -> None:
    rng = random.Random(7)
    for _ in range(200):
        left = "".join(rng.choices("abc", k=rng.randrange(6)))
        right = "".join(rng.choices("abc", k=rng.randrange(6)))
        assert edit_distance(left, right) == distance_by_definition(left, right)


def distance_by_definition(left: str, right: str) -> int:
    if not left or not right:
        return len(left) + len(right)
    return min(
        distance_by_definition(left[1:], right) + 1,
        distance_by_definition(left, right[1:]) + 1,
        distance_by_definition(left[1:], right[1:]) + (left[0] != right[0]),
    )


def test_the_rate_is_errors_over_characters_printed() -> None:
    assert character_error_rate("Rabbit-Hole", "Rabbit-Hole") == 0
    assert character_error_rate("ten chars.", "ten chers") == pytest.approx(0.2)
    assert character_error_rate("abcd", "") == 1
    assert character_error_rate("ab", "abcdef") == 2


def test_line_breaks_and_quote_shapes_do_not_count_but_lost_spaces_and_capitals_do() -> None:
    assert character_error_rate('"Oh\ndear!"', " \u201cOh  dear!\u201d\n") == 0
    assert character_error_rate("it's", "it\u2019s") == 0
    assert character_error_rate("by her", "byher") == pytest.approx(1 / 6)
    assert character_error_rate("Alice", "alice") == pytest.approx(1 / 5)


def test_text_invented_on_a_blank_page_counts_by_the_character() -> None:
    assert character_error_rate("", "") == 0
    assert character_error_rate("", "l1") == 2

"""Suggestions: a slip of the fingers is recognised, and another name is not taken for one."""

import pytest

from worker.text.suggestions import closest

SCANS = ["moby-dick", "walden", "volume-2", "volume-12", "the-rabbit-hole"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("movy-dick", "moby-dick"),
        ("Moby-Dick", "moby-dick"),
        ("moby-dcik", "moby-dick"),
        ("mobydick", "moby-dick"),
        ("waldem", "walden"),
        ("the-rabit-hol", "the-rabbit-hole"),
        ("the-rab", "the-rabbit-hole"),
        ("volum-2", "volume-2"),
    ],
)
def test_a_slip_of_the_fingers_is_recognised(typed: str, meant: str) -> None:
    assert closest(typed, SCANS) == meant


@pytest.mark.parametrize("typed", ["emma", "volume-3", "volume-1", "golden", "mo", "", "book", "moby-dick-2"])
def test_another_name_is_not_taken_for_a_slip(typed: str) -> None:
    assert closest(typed, SCANS) is None


def test_where_two_names_are_as_close_neither_is_suggested() -> None:
    assert closest("vol", ["vol-a", "vol-b"]) is None


def test_a_hundred_thousand_names_are_looked_through_in_moments() -> None:
    names = [f"a-rather-long-title-{chr(97 + number % 26)}-{number}" for number in range(100_000)]
    assert closest("a-rather-lnog-title-a-26", names) == "a-rather-long-title-a-26"

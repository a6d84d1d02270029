"""When a call that failed is made again."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.llm.backoff import Backoff


class Highest(Random):
    """Draws the longest pause."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002
        return b


def test_the_longest_pause_doubles_up_to_the_cap() -> None:
    backoff = Backoff(max_retries=6, base_seconds=1.0, max_seconds=10.0, random=Highest())
    assert [backoff.pause_before(failures) for failures in range(1, 7)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_there_is_an_end() -> None:
    backoff = Backoff(max_retries=2)
    assert backoff.pause_before(2) is not None
    assert backoff.pause_before(3) is None
    assert Backoff(max_retries=0).pause_before(1) is None


def test_a_pause_is_drawn_evenly_between_nothing_and_its_bound() -> None:
    backoff = Backoff(max_retries=1, base_seconds=8.0, random=Random(1))
    pauses = [backoff.pause_before(1) or 0.0 for _ in range(2000)]
    assert min(pauses) < 0.1
    assert max(pauses) > 7.9
    assert sum(pauses) / len(pauses) == pytest.approx(4.0, abs=0.2)


@given(st.integers(1, 10_000), st.none() | st.floats(0, 60), st.integers())
def test_a_pause_is_never_shorter_than_asked_for_and_never_above_the_cap(
    failures: int, retry_after: float | None, seed: int
) -> None:
    pause = Backoff(max_retries=10_000, max_seconds=60.0, random=Random(seed)).pause_before(failures, retry_after)
    assert pause is not None
    assert (retry_after or 0.0) <= pause <= 60.0


@pytest.mark.parametrize("retry_after", [60.1, 3600.0, float("inf")])
def test_a_provider_that_asks_for_more_than_the_cap_is_left_alone(retry_after: float) -> None:
    assert Backoff(max_retries=5, max_seconds=60.0).pause_before(1, retry_after) is None


def test_those_who_were_told_the_same_second_do_not_all_come_back_in_it() -> None:
    backoff = Backoff(max_retries=5, random=Random(1))
    pauses = {backoff.pause_before(1, 5.0) for _ in range(100)}
    assert len(pauses) > 90
    assert all(pause is not None and 5.0 <= pause <= 6.0 for pause in pauses)

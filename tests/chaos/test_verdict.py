"""The verdict is shown a crime of each kind, and beside it what only looks like one."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaos.history import Attempt, Disappearance, FaultRecord, History, Version
from chaos.plan import kinds
from chaos.verdict import (
    died_of_errors,
    overlaps,
    processed_again,
    regressions,
    unexplained_overlaps,
    unsettled,
    vanished,
)

CHAOS = Path(__file__).parents[2] / "chaos"
PAGE = ("book", 3)
_SHA = "a" * 64


def there(since: float, until: float, *, valid: bool = True) -> Version:
    return Version(PAGE, since, until, valid, gone_by=until + 0.1)


def test_an_attempt_at_a_page_with_a_valid_output_is_processing_again() -> None:
    history = History(attempts=[Attempt(PAGE, 7, 20.0, 20.1)], versions=[Version(PAGE, 10.0, 30.0, valid=True)])
    (found,) = processed_again(history)
    assert "book page 3 was processed again by 7" in found


@pytest.mark.parametrize(
    ("version", "why"),
    [
        (there(10, 19), "it was damaged before"),
        (there(10, 30, valid=False), "it was not valid"),
        (there(19.5, 30), "it came between the look and the beginning"),
        (there(20.1, 30), "it is the attempt's own"),
        (Version(("book", 4), 10, 30, valid=True), "it is another page's"),
    ],
)
def test_an_attempt_is_no_processing_again_where(version: Version, why: str) -> None:
    assert not processed_again(History(attempts=[Attempt(PAGE, 7, 20.0, 20.2)], versions=[version])), why


@pytest.mark.parametrize(("pid", "end", "excused"), [(7, 19.9, True), (8, 19.9, False), (7, 9.0, False)])
def test_only_who_was_paused_since_the_output_came_may_not_know_of_it(pid: int, end: float, excused: bool) -> None:
    history = History(
        attempts=[Attempt(PAGE, 7, 20.0, 20.1)],
        versions=[Version(PAGE, 10.0, 30.0, valid=True)],
        faults=[FaultRecord("pause-worker", "main", 5.0, end, pids=(pid,))],
    )
    assert bool(processed_again(history)) is not excused


def test_attempts_at_the_same_time_overlap() -> None:
    earlier, later = Attempt(PAGE, 7, 20.0, 25.0), Attempt(PAGE, 8, 24.0, 26.0)
    assert overlaps(History(attempts=[later, earlier])) == [(earlier, later)]
    assert not overlaps(History(attempts=[earlier, Attempt(PAGE, 8, 25.1, 26.0)]))
    assert not overlaps(History(attempts=[earlier, Attempt(("other", 3), 8, 24.0, 26.0)]))


def test_an_attempt_whose_process_was_killed_lasted_until_then() -> None:
    killed = FaultRecord("kill-worker", "main", 23.0, 23.0, pids=(7,))
    begun = Attempt(PAGE, 7, 20.0)
    assert overlaps(History(attempts=[begun, Attempt(PAGE, 8, 22.0, 22.1)], faults=[killed]))
    assert not overlaps(History(attempts=[begun, Attempt(PAGE, 8, 23.5, 24.0)], faults=[killed]))


@pytest.mark.parametrize(
    ("fault", "explained"),
    [
        (FaultRecord("flush", "", 22.0, 22.0), True),
        (FaultRecord("black-hole", "cut", 5.0, 12.0), True),
        (FaultRecord("flush", "", 24.5, 24.5), False),
        (FaultRecord("flush", "", 5.0, 5.0), False),
        (FaultRecord("damage-output", "flip", 22.0, 22.0), False),
    ],
)
def test_an_overlap_wants_a_fault_that_ends_claims(fault: FaultRecord, explained: bool) -> None:
    attempts = [Attempt(PAGE, 7, 20.0, 25.0), Attempt(PAGE, 8, 24.0, 26.0)]
    assert bool(unexplained_overlaps(History(attempts=attempts, faults=[fault]))) is not explained


def test_a_page_that_falls_out_of_the_checkpoint_with_its_output_there_is_a_regression() -> None:
    lost = Disappearance(PAGE, last_complete=20.0, seen=20.1)
    assert regressions(History(disappearances=[lost], versions=[there(10, 30)]))


@pytest.mark.parametrize("version", [there(10, 19), there(20.05, 30), there(10, 30, valid=False)])
def test_a_page_whose_output_was_damaged_may_fall_out(version: Version) -> None:
    lost = Disappearance(PAGE, last_complete=20.0, seen=20.1)
    assert not regressions(History(disappearances=[lost], versions=[version]))


def test_a_valid_output_that_goes_away_by_itself_is_found() -> None:
    assert vanished(History(versions=[there(10, 20)]))
    elsewhere = FaultRecord("damage-output", "delete", 20.05, 20.05, pages=(("book", 4),))
    assert vanished(History(versions=[there(10, 20)], faults=[elsewhere]))
    earlier = FaultRecord("damage-output", "delete", 15, 15, pages=(PAGE,))
    assert vanished(History(versions=[there(10, 20)], faults=[earlier]))


@pytest.mark.parametrize(
    "history",
    [
        History(
            versions=[there(10, 20)], faults=[FaultRecord("damage-output", "delete", 20.05, 20.05, pages=(PAGE,))]
        ),
        History(versions=[there(10, 20), Version(PAGE, 20.05, 30, valid=True)]),
        History(versions=[there(10, 20, valid=False)]),
        History(versions=[Version(PAGE, 10, 20, valid=True)]),
    ],
    ids=["damaged", "written once more", "was not valid", "is there still"],
)
def test_a_valid_output_may_go_away_where(history: History) -> None:
    assert not vanished(history)


def at_rest(**changes: Any) -> dict[str, Any]:
    checkpoint = {
        "status": "completed",
        "completed_pages": [1, 2],
        "failed_pages": [],
        "pages": {"1": {"sha256": _SHA}, "2": {"sha256": _SHA}},
    }
    return {**checkpoint, **changes}


def test_a_scan_at_rest_with_everything_in_place_is_well() -> None:
    assert not unsettled(at_rest(), {1: _SHA, 2: _SHA}, "book", [1, 2])


@pytest.mark.parametrize(
    ("checkpoint", "sound", "words"),
    [
        (at_rest(completed_pages=[1]), {1: _SHA, 2: _SHA}, "page 2 is lost: neither"),
        (at_rest(), {1: _SHA}, "page 2 is lost: complete without a valid output"),
        (at_rest(), {1: _SHA, 2: "b" * 64}, "page 2 is lost: its output is not the one"),
        (
            at_rest(failed_pages=[{"page": 2, "kind": "crashed", "message": "oh"}], completed_pages=[1]),
            {1: _SHA},
            "page 2 is quarantined (crashed: oh)",
        ),
        (at_rest(status="in_progress"), {1: _SHA, 2: _SHA}, "its status is in_progress"),
        ({}, {1: _SHA, 2: _SHA}, "page 1 is lost"),
    ],
)
def test_what_is_wrong_at_rest_is_named(checkpoint: dict[str, Any], sound: dict[int, str], words: str) -> None:
    assert words in " ".join(unsettled(checkpoint, sound, "book", [1, 2]))


def test_a_thread_of_a_worker_that_died_is_found(tmp_path: Path) -> None:
    report = (
        "Exception in thread reconciler:\nTraceback (most recent call last):\n  File x\n    y\nValueError: oh\n"
    )
    (tmp_path / "worker-1.log").write_text(f"all is well\n{report}all is well\n")
    (tmp_path / "worker-2.log").write_text("Traceback (most recent call last):\n  File x\nValueError: handled\n")
    assert died_of_errors(tmp_path.iterdir()) == ["worker-1.log: Exception in thread reconciler: ValueError: oh"]


@pytest.mark.parametrize(("exit_code", "found"), [(1, 1), (-9, 0), (0, 0)])
def test_a_reconciler_that_died_by_itself_is_found(tmp_path: Path, exit_code: int, found: int) -> None:
    (tmp_path / "worker-1.log").write_text(f"reconciler died and is started again exit_code={exit_code}\n")
    assert len(died_of_errors(tmp_path.iterdir())) == found


@pytest.mark.parametrize("judge", [processed_again, overlaps, unexplained_overlaps, regressions, vanished])
def test_an_empty_history_is_clean(judge: Callable[[History], list[Any]]) -> None:
    assert not judge(History())


@pytest.mark.parametrize("source", ["judge.py", "llm_mode.py"])
def test_the_readme_explains_every_field_of_the_verdict(source: str) -> None:
    _, _, figures = (CHAOS / source).read_text().partition("figures = {\n")
    fields = re.findall(r'^ +"(\w+)": ', figures.partition("}\n")[0], re.MULTILINE)
    assert len(fields) > 10
    readme = (CHAOS / "README.md").read_text()
    assert [field for field in fields if f"`{field}`" not in readme] == []


def test_the_readme_explains_every_kind_of_fault() -> None:
    readme = (CHAOS / "README.md").read_text()
    assert [kind for kind in kinds() if f"`{kind}`" not in readme] == []

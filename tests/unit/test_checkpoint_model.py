import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from checkpointing.checkpoint import Checkpoint
from checkpointing.fields import now
from checkpointing.messages import Completion
from checkpointing.page_records import FailedPage, PageRecord, cost_of
from checkpointing.status import Status

A, B = "a" * 64, "b" * 64


def blank(**fields: Any) -> Checkpoint:
    return Checkpoint(scan_id="a-book", stage="ocr", output_dir="ocr", **fields)


def record(sha256: str = A, cost_usd: float | None = 0.02) -> PageRecord:
    return PageRecord(sha256=sha256, schema_version="1", cost_usd=cost_usd, completed_at=now())


def failure(page: int) -> FailedPage:
    return FailedPage(page=page, kind="crashed", message="its worker died")


def read(**fields: Any) -> Checkpoint:
    """A checkpoint as it comes from a file with these fields."""
    usual = {"version": "2.0", "scan_id": "a-book", "stage": "ocr", "output_dir": "ocr"}
    return Checkpoint.model_validate_json(json.dumps(usual | fields))


def test_a_new_checkpoint_tells_all_its_readers_look_for() -> None:
    told = blank(total_pages=4).model_dump(mode="json")
    assert told["status"] == "not_started"
    assert told["completed_pages"] == []
    assert told["metadata"] == {"total_cost_usd": 0.0}
    assert told["progress"] == {"completed": 0, "remaining": 4, "failed": 0, "percent": 0.0}


def test_progress_counts_pages_of_the_whole_book() -> None:
    checkpoint = blank(total_pages=3)
    checkpoint.complete(3, record())
    checkpoint.complete(1, record())
    checkpoint.fail(failure(2))
    assert checkpoint.completed_pages == [1, 3]
    assert checkpoint.progress == {"completed": 2, "remaining": 1, "failed": 1, "percent": 66.67}


def test_a_book_of_unknown_length_has_made_no_percent() -> None:
    checkpoint = blank()
    checkpoint.complete(1, record())
    assert checkpoint.progress == {"completed": 1, "remaining": 0, "failed": 0, "percent": 0.0}


def test_what_is_written_is_what_is_read() -> None:
    checkpoint = blank(total_pages=9)
    checkpoint.complete(1, record())
    checkpoint.fail(failure(2))
    checkpoint.request(1, 9)
    checkpoint.begin()
    assert Checkpoint.model_validate_json(checkpoint.model_dump_json()) == checkpoint


def test_every_time_in_it_carries_its_zone() -> None:
    checkpoint = blank()
    checkpoint.complete(1, record())
    checkpoint.fail(failure(2))
    checkpoint.begin()
    checkpoint.complete_stage()
    checkpoint.fail_stage("no")
    told = json.loads(checkpoint.model_dump_json())
    times = [told[name] for name in ("created_at", "updated_at", "started_at", "completed_at", "failed_at")]
    times += [told["pages"]["1"]["completed_at"], told["failed_pages"][0]["failed_at"]]
    assert all(datetime.fromisoformat(time).utcoffset() is not None for time in times)


def test_a_time_without_a_zone_as_the_seed_writes_it_is_read() -> None:
    told = read(failed_at=datetime.now().isoformat(), updated_at="2024-05-06T07:08:09.123456")  # noqa: DTZ005
    assert told.updated_at.utcoffset() is not None


class TestTheListOfCompletedPages:
    def test_a_page_taken_off_the_list_is_not_complete(self) -> None:
        checkpoint = read(completed_pages=[1], pages={"1": {"sha256": A}, "2": {"sha256": B}})
        assert checkpoint.completed_pages == [1]
        assert checkpoint.pages[1].sha256 == A

    def test_a_page_put_on_the_list_is_complete_without_evidence(self) -> None:
        assert read(completed_pages=[1, 2], pages={"1": {"sha256": A}}).pages[2].sha256 is None

    def test_a_page_named_twice_is_one_page(self) -> None:
        assert read(completed_pages=[2, 2, 1]).completed_pages == [1, 2]

    def test_without_a_list_the_evidence_stands(self) -> None:
        assert read(pages={"7": {"sha256": A}}).completed_pages == [7]

    @pytest.mark.parametrize(
        "listed", [[0], [-1], ["x"], [1.5], [None], "1", {"1": 1}, None, [[1]], [{}]], ids=repr
    )
    def test_a_list_that_is_none_is_an_error_of_the_format(self, listed: Any) -> None:
        with pytest.raises(ValidationError):
            read(completed_pages=listed)


class TestMoney:
    @pytest.mark.parametrize("cost", ["1.0", None, [], True, -0.01, float("nan"), float("inf")], ids=repr)
    def test_a_total_that_is_no_amount_is_an_error_of_the_format(self, cost: Any) -> None:
        with pytest.raises(ValidationError):
            read(metadata={"total_cost_usd": cost})

    @pytest.mark.parametrize("cost", [-0.01, float("nan"), float("inf"), "x"], ids=repr)
    def test_a_page_that_cost_no_amount_is_an_error_of_the_format(self, cost: Any) -> None:
        with pytest.raises(ValidationError):
            read(completed_pages=[1], pages={"1": {"sha256": A, "cost_usd": cost}})

    def test_a_dime_ten_times_is_a_dollar(self) -> None:
        checkpoint = blank()
        for page in range(1, 11):
            checkpoint.complete(page, record(cost_usd=0.1))
        assert checkpoint.total_cost_usd == 1.0
        assert cost_of(checkpoint.pages.values(), checkpoint.total_cost_usd) == 1.0

    def test_saying_a_page_again_costs_nothing(self) -> None:
        checkpoint = blank()
        assert checkpoint.complete(1, record()) is True
        assert checkpoint.complete(1, record()) is False
        assert checkpoint.total_cost_usd == 0.02

    def test_a_page_done_anew_costs_again(self) -> None:
        checkpoint = blank()
        checkpoint.complete(1, record(A))
        assert checkpoint.complete(1, record(B)) is True
        assert checkpoint.total_cost_usd == 0.04
        assert cost_of(checkpoint.pages.values(), checkpoint.total_cost_usd) == 0.02

    def test_the_cost_of_a_page_that_was_adopted_first_counts_when_it_is_told(self) -> None:
        checkpoint = blank()
        checkpoint.complete(1, record(cost_usd=None))
        checkpoint.complete(1, record(cost_usd=0.02))
        checkpoint.complete(1, record(cost_usd=0.02))
        assert checkpoint.total_cost_usd == 0.02

    def test_a_total_kept_elsewhere_is_taken_only_if_it_is_larger(self) -> None:
        checkpoint = blank(metadata={"total_cost_usd": 8.5})
        checkpoint.raise_cost_to(1.0)
        assert checkpoint.total_cost_usd == 8.5
        checkpoint.raise_cost_to(9.7)
        assert checkpoint.total_cost_usd == 9.7

    def test_where_the_cost_of_a_page_is_unknown_the_total_stands_for_all(self) -> None:
        checkpoint = blank(metadata={"total_cost_usd": 8.5})
        checkpoint.complete(1, record(cost_usd=None))
        assert cost_of(checkpoint.pages.values(), checkpoint.total_cost_usd) == 8.5

    def test_starting_over_forgets_everything_but_the_money(self) -> None:
        checkpoint = blank(total_pages=2)
        checkpoint.request(1, 2)
        checkpoint.complete(1, record())
        checkpoint.fail(failure(2))
        checkpoint.settle()
        checkpoint.start_over()
        assert (checkpoint.pages, checkpoint.failed_pages, checkpoint.requested) == ({}, [], [])
        assert (checkpoint.status, checkpoint.error, checkpoint.failed_at) == (Status.NOT_STARTED, None, None)
        assert checkpoint.total_cost_usd == 0.02


class TestQuarantine:
    def test_a_page_is_put_there_once(self) -> None:
        checkpoint = blank()
        assert checkpoint.fail(failure(2)) is True
        assert checkpoint.fail(failure(2)) is False
        assert checkpoint.fail(failure(1)) is True
        assert [failed.page for failed in checkpoint.failed_pages] == [1, 2]

    def test_a_complete_page_never_is(self) -> None:
        checkpoint = blank()
        checkpoint.complete(1, record())
        assert checkpoint.fail(failure(1)) is False
        assert checkpoint.quarantined() == set()

    def test_a_page_that_completes_after_all_leaves_it(self) -> None:
        checkpoint = blank()
        checkpoint.fail(failure(1))
        checkpoint.complete(1, record())
        assert checkpoint.quarantined() == set()

    def test_pages_are_let_out_to_be_tried_again(self) -> None:
        checkpoint = blank()
        for page in (1, 2, 3):
            checkpoint.fail(failure(page))
        checkpoint.release({1, 3, 9})
        assert checkpoint.quarantined() == {2}


@pytest.mark.parametrize(
    ("asked", "requested"),
    [
        ([(1, 5)], [(1, 5)]),
        ([(1, 5), (1, 5)], [(1, 5)]),
        ([(1, 5), (6, 9)], [(1, 9)]),
        ([(6, 9), (1, 4)], [(1, 4), (6, 9)]),
        ([(1, 9), (3, 4)], [(1, 9)]),
        ([(1, 2), (8, 9), (2, 8)], [(1, 9)]),
        ([(5, 5)], [(5, 5)]),
    ],
)
def test_ranges_that_touch_become_one(asked: list[tuple[int, int]], requested: list[tuple[int, int]]) -> None:
    checkpoint = blank()
    for start, end in asked:
        checkpoint.request(start, end)
    assert checkpoint.requested == requested


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 10)), max_size=8))
def test_pending_is_every_page_that_was_asked_for(asked: list[tuple[int, int]]) -> None:
    checkpoint = blank()
    for start, more in asked:
        checkpoint.request(start, start + more)
    wanted = {page for start, more in asked for page in range(start, start + more + 1)}
    assert checkpoint.pending() == sorted(wanted)


def test_a_settled_page_is_not_pending() -> None:
    checkpoint = blank()
    checkpoint.request(1, 4)
    checkpoint.complete(2, record())
    checkpoint.fail(failure(3))
    assert checkpoint.pending() == [1, 4]


class TestSettling:
    def settled(self, *, total: int, wanted: int, complete: int, failed: int = 0) -> Checkpoint:
        checkpoint = blank(total_pages=total)
        checkpoint.request(1, wanted)
        checkpoint.begin()
        for page in range(1, complete + 1):
            checkpoint.complete(page, record())
        for page in range(complete + 1, complete + failed + 1):
            checkpoint.fail(failure(page))
        checkpoint.settle()
        return checkpoint

    @pytest.mark.parametrize(
        ("wanted", "complete", "failed", "status"),
        [
            (447, 447, 0, Status.COMPLETED),
            (447, 446, 0, Status.IN_PROGRESS),
            (447, 442, 4, Status.IN_PROGRESS),
            (447, 443, 4, Status.FAILED),
            (50, 50, 0, Status.PARTIAL),
            (50, 49, 1, Status.FAILED),
        ],
    )
    def test_the_status_follows_from_the_pages(
        self, wanted: int, complete: int, failed: int, status: Status
    ) -> None:
        assert self.settled(total=447, wanted=wanted, complete=complete, failed=failed).status is status

    def test_a_stage_with_quarantined_pages_says_how_many(self) -> None:
        checkpoint = self.settled(total=447, wanted=447, complete=443, failed=4)
        assert checkpoint.error == checkpoint.summary() == "443 of 447 pages complete, 4 quarantined"
        assert checkpoint.failed_at is not None
        assert len(checkpoint.completed_pages) == 443

    def test_a_completed_stage_has_no_error_left(self) -> None:
        checkpoint = self.settled(total=2, wanted=2, complete=1, failed=1)
        checkpoint.complete(2, record())
        checkpoint.settle()
        assert (checkpoint.status, checkpoint.error, checkpoint.failed_at) == (Status.COMPLETED, None, None)
        assert checkpoint.summary() == "2 of 2 pages complete"

    def test_beginning_again_clears_how_it_ended(self) -> None:
        checkpoint = self.settled(total=2, wanted=2, complete=1, failed=1)
        started = checkpoint.started_at
        checkpoint.begin()
        assert (checkpoint.status, checkpoint.error, checkpoint.failed_at) == (Status.IN_PROGRESS, None, None)
        assert checkpoint.started_at == started

    def test_a_page_outside_the_book_does_not_make_up_for_one_inside(self) -> None:
        checkpoint = blank(total_pages=3)
        checkpoint.request(1, 2)
        for page in (1, 2, 9):
            checkpoint.complete(page, record())
        checkpoint.settle()
        assert checkpoint.status is Status.PARTIAL


class TestWhatAWorkerHandsOver:
    def test_a_completion_becomes_the_same_evidence(self) -> None:
        done = datetime(2026, 1, 2, tzinfo=UTC)
        completion = Completion(
            page=7,
            sha256=A,
            schema_version="3",
            cost_usd=0.02,
            seconds=1.5,
            attempts=2,
            completed_at=done,
            worker="w:1",
        )
        assert completion.record() == PageRecord(A, "3", 0.02, 1.5, 2, done, "w:1")

    @pytest.mark.parametrize(
        "forged",
        [
            {"page": 0},
            {"page": -1},
            {"page": "one"},
            {"page": 1.5},
            {"sha256": "A" * 64},
            {"sha256": "../../etc"},
            {"cost_usd": -1},
            {"cost_usd": float("nan")},
            {"cost_usd": float("inf")},
            {"attempts": -1},
            {"completed_at": "2026-01-02T03:04:05"},
            {"command": "rm"},
        ],
        ids=repr,
    )
    def test_a_completion_that_cannot_be_is_refused(self, forged: dict[str, Any]) -> None:
        honest: dict[str, Any] = {"page": 1, "sha256": A, "schema_version": "1"}
        Completion.model_validate_json(json.dumps(honest))
        with pytest.raises(ValidationError):
            Completion.model_validate_json(json.dumps(honest | forged))

    @pytest.mark.parametrize("forged", [{"page": 0}, {"kind": None}, {"attempts": -1}, {"extra": 1}], ids=repr)
    def test_a_failure_that_cannot_be_is_refused(self, forged: dict[str, Any]) -> None:
        honest: dict[str, Any] = {"page": 1, "kind": "crashed", "message": "its worker died"}
        FailedPage.model_validate_json(json.dumps(honest))
        with pytest.raises(ValidationError):
            FailedPage.model_validate_json(json.dumps(honest | forged))


steps = st.lists(st.tuples(st.sampled_from(["complete", "fail"]), st.integers(1, 4)), max_size=10)


@given(steps, st.randoms(use_true_random=False))
def test_merging_in_any_order_and_any_number_of_times_completes_the_same_pages_at_the_same_cost(
    told: list[tuple[str, int]], shuffle: Any
) -> None:
    merge: dict[str, Callable[[Checkpoint, int], bool]] = {
        "complete": lambda checkpoint, page: checkpoint.complete(page, record()),
        "fail": lambda checkpoint, page: checkpoint.fail(failure(page)),
    }
    again = [*told, *told]
    shuffle.shuffle(again)
    first, second = blank(), blank()
    for what, page in told:
        merge[what](first, page)
    for what, page in again:
        merge[what](second, page)
    assert first.completed_pages == second.completed_pages
    assert first.quarantined() == second.quarantined()
    assert first.total_cost_usd == second.total_cost_usd

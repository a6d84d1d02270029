"""Status: from files alone."""

import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest

from checkpointing.checkpoint import Checkpoint
from checkpointing.cost_overruns import CostOverrun, record_overrun
from checkpointing.errors import InputError, StorageError, UnknownNameError
from checkpointing.fields import now
from checkpointing.ledger_entry import Call, new_attempt
from checkpointing.page_records import FailedPage, PageRecord
from producer.status.output import detail_lines
from producer.status.rate import latest_moments, rate_of, recent_rate
from producer.status.scan_status import all_scans, scan_status
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment
from worker.deployment import Deployment

TORN = FailedPage(page=2, kind="torn", message="torn in two", attempts=1)


@pytest.fixture
def without_redis(fake: FakeDeployment) -> Deployment:
    """The parts of a deployment whose broker is down."""
    return Deployment(fake.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}), fake.app)


def test_before_anything_has_begun_the_first_stage_is_shown_as_not_started(without_redis: Deployment) -> None:
    form = scan_status(without_redis.store, SCAN).as_json()
    assert (form["scan_id"], form["title"], form["total_pages"]) == (SCAN, "A Book", 5)
    (stage,) = form["stages"].values()
    assert list(form["stages"]) == ["ocr"]
    assert (stage["status"], stage["total_pages"], stage["completed"], stage["remaining"]) == (
        "not_started",
        5,
        0,
        5,
    )
    assert stage["updated_at"] is stage["pages_per_second"] is stage["eta_seconds"] is None


def test_the_form_says_what_is_done_what_is_left_and_what_it_cost(
    fake: FakeDeployment, without_redis: Deployment
) -> None:
    fake.ask_for((1, 5))
    fake.complete(1, 3, cost_usd=0.25)
    fake.hand_over(TORN)
    fake.commit()
    stage = scan_status(without_redis.store, SCAN).as_json()["stages"][STAGE]
    assert (
        stage.items()
        >= {
            "status": "in_progress",
            "total_pages": 5,
            "completed": 2,
            "remaining": 2,
            "failed": 1,
            "total_cost_usd": 0.5,
        }.items()
    )
    (failed,) = stage["failed_pages"]
    assert failed.items() >= {"page": 2, "kind": "torn", "message": "torn in two", "attempts": 1}.items()
    assert json.loads(json.dumps(stage, default=str))["updated_at"]


def test_looking_changes_nothing(fake: FakeDeployment) -> None:
    fake.complete(1)
    before = (fake.files(), fake.redis_keys())
    scan_status(fake.parts.store, SCAN)
    all_scans(fake.parts.store)
    assert (fake.files(), fake.redis_keys()) == before


@pytest.mark.parametrize("content", [b"", b"{ torn", b"[]", b'{"version": "9.9"}'])
def test_a_checkpoint_that_cannot_be_used_is_shown_as_such_with_the_way_out(
    fake: FakeDeployment, content: bytes
) -> None:
    fake.complete(1)
    fake.parts.store.checkpoint_file(REF).path.write_bytes(content)
    stage = scan_status(fake.parts.store, SCAN).stages[STAGE]
    assert stage.status == "unreadable"
    assert stage.error is not None
    assert "producer enqueue a-book --stage stamp" in stage.error


def test_a_checkpoint_that_cannot_be_read_is_a_storage_error(fake: FakeDeployment) -> None:
    fake.parts.store.checkpoint_file(REF).path.mkdir(parents=True)
    with pytest.raises(StorageError):
        scan_status(fake.parts.store, SCAN)


def test_all_scans_are_shown_by_id(fake: FakeDeployment) -> None:
    fake.write_scan("atlas", pages=2)
    assert [scan.metadata.scan_id for scan in all_scans(fake.parts.store)] == [SCAN, "atlas"]


@pytest.mark.parametrize("name", ["broken", "a..b"])
def test_one_folder_that_is_no_proper_scan_does_not_hide_the_others(fake: FakeDeployment, name: str) -> None:
    (fake.root / name).mkdir()
    (fake.root / name / "metadata.json").write_text("{ torn")
    assert SCAN in [scan.metadata.scan_id for scan in all_scans(fake.parts.store)]


def test_a_scan_that_is_not_there_is_an_error_with_a_guess(fake: FakeDeployment) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'a-book'"):
        scan_status(fake.parts.store, "abook")
    with pytest.raises(InputError, match="is not a scan id"):
        scan_status(fake.parts.store, "../a-book")


def _with_pages_done(*seconds_ago: float) -> Checkpoint:
    pages = {
        number: PageRecord(completed_at=now() - timedelta(seconds=ago))
        for number, ago in enumerate(seconds_ago, start=1)
    }
    return Checkpoint(scan_id=SCAN, stage=STAGE, output_dir="stamps", total_pages=100, pages=pages)


def test_the_rate_is_that_of_the_pages_done_lately() -> None:
    assert recent_rate(_with_pages_done(10, 8, 6, 4, 2)) == pytest.approx(0.4, rel=0.05)
    assert recent_rate(_with_pages_done(7200, 7100, 7000, 10, 5)) == pytest.approx(0.1, rel=0.05)


def test_a_stall_lowers_the_rate() -> None:
    """Three pages in two seconds, and nothing for a minute since."""
    assert recent_rate(_with_pages_done(62, 61, 60)) == pytest.approx(2 / 62, rel=0.05)


@pytest.mark.parametrize("seconds_ago", [(), (1,), (9000, 8999), (9000, 5)])
def test_too_few_pages_lately_make_no_rate(seconds_ago: tuple[float, ...]) -> None:
    assert recent_rate(_with_pages_done(*seconds_ago)) is None


def test_the_time_before_the_first_page_counts_where_work_began_lately() -> None:
    begun = now() - timedelta(seconds=20)
    assert rate_of(latest_moments(_with_pages_done(0.5, 0.1)), begun) == pytest.approx(0.1, rel=0.1)
    assert rate_of(latest_moments(_with_pages_done(300, 290, 10)), begun) == pytest.approx(0.05, rel=0.1)
    assert rate_of(latest_moments(_with_pages_done(300, 290)), begun) == pytest.approx(1 / 300, rel=0.05)


def test_clocks_that_are_apart_make_no_nonsense() -> None:
    rate = recent_rate(_with_pages_done(10, -60))
    assert rate is None or rate > 0


def test_the_time_to_go_is_that_of_the_pages_asked_for(fake: FakeDeployment) -> None:
    fake.ask_for((1, 4))
    file = fake.parts.store.checkpoint_file(REF)
    with file.exclusive() as checkpoint:
        checkpoint.pages = _with_pages_done(20, 10).pages
        file.save(checkpoint)
    stage = scan_status(fake.parts.store, SCAN).stages[STAGE]
    assert stage.pages_per_second == pytest.approx(0.05, rel=0.1)
    assert stage.eta_seconds == pytest.approx(40, rel=0.1)


def test_a_stage_that_rests_has_no_rate(fake: FakeDeployment) -> None:
    fake.ask_for((1, 2))
    fake.complete(1, 2)
    stage = scan_status(fake.parts.store, SCAN).stages[STAGE]
    assert (stage.status, stage.pages_per_second, stage.eta_seconds) == ("partial", None, None)


def test_times_in_json_are_in_iso_8601_with_their_zone(fake: FakeDeployment) -> None:
    fake.ask_for((1, 2))
    fake.complete(1)
    form = scan_status(fake.parts.store, SCAN).as_json()["stages"][STAGE]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", form["updated_at"])
    assert json.dumps(form)


def test_calls_without_an_answer_are_counted_and_shown_with_the_most_they_may_cost(
    fake: FakeDeployment, without_redis: Deployment
) -> None:
    fake.ask_for((1, 5))
    ledger = without_redis.store.ledger(REF)
    for page, most in ((1, 5_000), (2, 7_000)):
        ledger.ask(
            Call(
                attempt=new_attempt(),
                scan_id=SCAN,
                stage=STAGE,
                page=page,
                provider="127.0.0.1",
                model="a-model",
                request_sha256="0" * 64,
                most_micro=most,
            )
        )
    status = scan_status(without_redis.store, SCAN, with_calls=True)
    assert (status.stages[STAGE].unanswered_calls, status.stages[STAGE].unanswered_usd) == (2, 0.012)
    assert any(
        line.startswith("a-book/stamp: 2 calls have no answer and may have cost up to $0.012 more")
        for line in detail_lines([status])
    )


def test_calls_without_an_answer_are_not_counted_for_a_whole_library(
    fake: FakeDeployment, without_redis: Deployment
) -> None:
    fake.ask_for((1, 5))
    (scan,) = all_scans(without_redis.store)
    assert scan.stages[STAGE].unanswered_calls is None


def test_calls_dearer_than_their_reservations_are_counted_and_shown(
    fake: FakeDeployment, without_redis: Deployment
) -> None:
    for attempt, cost in (("a" * 32, 50_000), ("b" * 32, 50_001)):
        record_overrun(
            fake.root / SCAN,
            STAGE,
            CostOverrun(
                attempt=attempt,
                page=1,
                provider="127.0.0.1",
                model="a-model",
                price="$0.15 in",
                reserved_micro=1_000,
                cost_micro=cost,
                factor=Decimal(50),
            ),
        )
    fake.ask_for((1, 5))
    (stage,) = scan_status(without_redis.store, SCAN).stages.values()
    assert (stage.dearer_calls, stage.dearer_usd) == (2, 0.098001)
    (line,) = detail_lines([scan_status(without_redis.store, SCAN)])
    assert line.startswith("a-book/stamp: 2 calls cost $0.098 more than was reserved")

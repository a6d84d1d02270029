"""Each metric counts what it says."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.budget import write_budget
from checkpointing.errors import PageError
from checkpointing.money import Money
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from tests.support.counted import Counted, counting
from tests.support.fake_deployment import REF, SCAN, STAGE, write_scan
from tests.support.stages import Stamp, stamp
from worker.billing.meter import Count
from worker.queue.messages import Outcome
from worker.reconciler.reconciler import Reconciler
from worker.stages.registry import STAGES
from worker.telemetry.metrics.definitions import ALL, CLAIMS, HEALED, PAGES, Kind
from worker.telemetry.metrics.events import metrics

micro = Money.from_micro


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    with counting(tmp_path, monkeypatch) as made:
        yield made


def fail(_page: int) -> Stamp:
    raise ValueError("never works")


def test_a_page_is_counted_by_what_became_of_it_and_timed_when_it_was_done(counted: Counted) -> None:
    fake = counted.fake
    fake.process(1)
    fake.process(1)
    fake.redis.set(fake.parts.queues.keys.claim(REF, 2), "somebody", ex=60)
    fake.process(2)
    assert counted.of_stage("leafmark_pages_total", outcome="complete") == 1
    assert counted.of_stage("leafmark_pages_total", outcome="already_complete") == 1
    assert counted.of_stage("leafmark_pages_total", outcome="held") == 1
    assert counted.of_stage("leafmark_page_seconds_count") == 1
    assert 0 < counted.of_stage("leafmark_page_seconds_sum") < 10
    assert counted.of_stage("leafmark_claims_total", event="taken") == 2
    assert counted.of_stage("leafmark_claims_total", event="held") == 1


def test_a_page_that_is_given_up_is_counted_by_its_reason_and_once(counted: Counted) -> None:
    counted.fake.stage.act = fail
    assert counted.fake.process(1) is Outcome.TRY_AGAIN
    assert counted.of_stage("leafmark_quarantined_pages_total", kind="error") == 0
    assert counted.fake.process(1) is Outcome.QUARANTINED

    def torn(_page: int) -> Stamp:
        raise PageError("unreadable_image", "torn")

    counted.fake.stage.act = torn
    counted.fake.process(2)
    assert counted.of_stage("leafmark_quarantined_pages_total", kind="error") == 1
    assert counted.of_stage("leafmark_quarantined_pages_total", kind="unreadable_image") == 1
    assert counted.of_stage("leafmark_pages_total", outcome="try_again") == 1
    assert counted.of_stage("leafmark_pages_total", outcome="quarantined") == 2


def test_a_claim_that_was_lost_is_counted(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, clock = counted.fake, [1000.0]
    monkeypatch.setattr("worker.queue.claims._clock", lambda: clock[0])

    def lose_the_claim(page: int) -> Stamp:
        clock[0] += fake.settings.claim_seconds
        fake.redis.set(fake.parts.queues.keys.claim(REF, page), "somebody", ex=60)
        return stamp(page)

    fake.stage.act = lose_the_claim
    fake.process(1)
    assert counted.of_stage("leafmark_claims_total", event="lost") == 1
    assert counted.of_stage("leafmark_pages_total", outcome="held") == 1


def test_a_commit_is_timed_and_its_pages_counted(counted: Counted) -> None:
    fake = counted.fake
    fake.hand_over(fake.completion(1), fake.completion(2), FailedPage(page=3, kind="torn", message="torn"))
    assert counted.of_stage("leafmark_inbox_entries") == 3
    Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls).commit_inboxes()
    assert counted.of_stage("leafmark_commit_pages_sum") == 3
    assert counted.of_stage("leafmark_commit_pages_count") == 1
    assert counted.of_stage("leafmark_commit_seconds_count") == 1
    assert counted.of_stage("leafmark_inbox_entries") == 0


def test_what_the_reconciler_enqueues_again_and_what_it_adopts_is_counted(counted: Counted) -> None:
    fake = counted.fake
    fake.ask_for((1, 3))
    fake.completion(3)
    reconciler = Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls)
    reconciler.recover()
    reconciler.recover()
    assert counted.of_stage("leafmark_healed_pages_total", action="enqueued") == 2
    assert counted.of_stage("leafmark_healed_pages_total", action="adopted") == 1
    assert counted.of_stage("leafmark_pages_in_window") == 2


def test_pages_that_wait_and_those_in_the_window_are_told_apart(counted: Counted) -> None:
    fake = counted.fake
    write_scan(fake.root, "atlas", 100)
    list(fake.parts.queues.queue(StageRef("atlas", STAGE)).put(list(range(1, 101))))
    window = counted.of_stage("leafmark_pages_in_window")
    assert window == len(fake.messages()) > 0
    assert counted.of_stage("leafmark_pages_waiting") == 100 - window


def test_a_page_that_an_earlier_stage_gave_up_is_counted_when_its_own_stage_does(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = counted.fake
    fake.ask_for((1, 2))
    monkeypatch.setattr("worker.reconciler.recovery.given_up", lambda *_: {2: "ocr"})
    reconciler = Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls)
    reconciler.recover()
    reconciler.recover()
    assert counted.of_stage("leafmark_quarantined_pages_total", kind="upstream") == 1


def test_spending_is_in_usd_and_adds_up_to_the_micro_dollar(counted: Counted) -> None:
    for amount in (1, 20, 300_000):
        metrics().spent(STAGE, Money.from_micro(amount))
    assert counted.of_stage("leafmark_spend_usd_total") == pytest.approx(0.300021, abs=1e-9)


def test_what_is_left_of_a_budget_is_shown_while_work_is_under_way(counted: Counted) -> None:
    fake = counted.fake
    write_budget(fake.root / SCAN, Decimal("1.50"))
    meter = fake.parts.calls.meter(SCAN)
    fake.ask_for((1, 5))
    assert counted.value("leafmark_budget_left_usd", scan=SCAN) is None  # Nobody has counted what is spent.
    meter.refill(lambda: Count(micro(200_000), {"a-call": micro(50_000)}))
    assert counted.value("leafmark_budget_left_usd", scan=SCAN) == pytest.approx(1.25)
    assert counted.value("leafmark_budget_usd", scan=SCAN) == 1.5
    fake.open_stages.remove(REF)
    assert counted.value("leafmark_budget_left_usd", scan=SCAN) is None


def test_a_broker_that_is_away_costs_the_gauges_alone(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise RedisConnectionError("away")

    counted.fake.process(1)
    assert counted.value("leafmark_broker_up") == 1
    monkeypatch.setattr(counted.fake.redis, "smembers", away)
    assert counted.value("leafmark_broker_up") == 0
    assert counted.value("leafmark_inbox_entries", stage=STAGE) is None
    assert counted.of_stage("leafmark_pages_total", outcome="complete") == 1


def test_forged_names_and_keys_make_no_labels_and_stop_no_scrape(counted: Counted) -> None:
    fake = counted.fake
    fake.redis.sadd(fake.parts.queues.keys.inboxes, "a-book/nonsense", b"\xff/", f"x/{STAGE}", "")
    fake.redis.set(fake.parts.queues.keys.inbox(StageRef("x", STAGE)), "no stream")
    fake.redis.lpush(fake.parts.queues.keys.turns(STAGE), "../up", b"\xff")
    stages = {
        sample.labels["stage"]
        for family in counted.registry.collect()
        for sample in family.samples
        if "stage" in sample.labels
    }
    assert stages <= STAGES.keys()
    assert counted.of_stage("leafmark_inbox_entries") == 0


def test_kinds_of_reasons_without_end_become_one(counted: Counted) -> None:
    for number in range(200):
        metrics().quarantined(STAGE, f"kind-{number}")
    kinds = [
        sample
        for family in counted.registry.collect()
        for sample in family.samples
        if sample.name == "leafmark_quarantined_pages_total"
    ]
    assert len(kinds) == 51
    assert counted.of_stage("leafmark_quarantined_pages_total", kind="other") == 150


def test_counters_are_there_before_their_first_event(counted: Counted) -> None:
    metrics().begin_at_zero([STAGE])
    for outcome in Outcome:
        assert counted.value("leafmark_pages_total", stage=STAGE, outcome=outcome.value) == 0
    assert counted.value("leafmark_spend_usd_total", stage=STAGE) == 0
    assert counted.value("leafmark_quarantined_pages_total", stage=STAGE, kind="torn") is None


def test_everything_defined_is_shown_with_its_labels_and_nothing_else(counted: Counted) -> None:
    fake = counted.fake
    fake.process(1)
    metrics().quarantined(STAGE, "error")
    metrics().begin_at_zero([STAGE])
    metrics().committed(STAGE, 0.1, 1)
    write_budget(fake.root / SCAN, Decimal("1.50"))
    fake.ask_for((1, 5))
    fake.parts.calls.meter(SCAN).refill(lambda: Count(micro(0), {}))
    shown = {
        sample.name: {*sample.labels} - {"le"} for family in counted.registry.collect() for sample in family.samples
    }
    assert shown == {name: {*each.labels} for each in ALL for name in each.series()}
    kinds = {family.name: family.type for family in counted.registry.collect()}
    assert kinds == {each.name.removesuffix("_total"): each.kind.value for each in ALL}


def test_the_values_of_labels_are_those_of_the_code() -> None:
    assert PAGES.values["outcome"] == tuple(Outcome)
    assert CLAIMS.values["event"] == ("taken", "held", "lost")
    assert HEALED.values["action"] == ("enqueued", "adopted")


def test_names_and_units_are_as_prometheus_wants_them() -> None:
    for each in ALL:
        assert each.name.startswith("leafmark_")
        assert each.name.endswith("_total") is (each.kind is Kind.COUNTER), each.name
        assert {*each.labels} <= {"stage", *each.values, "scan", "version", "python"}
        assert not {"scan", "page"} & {*each.labels} or each.kind is Kind.GAUGE, "a counter would grow without end"
        assert list(each.buckets) == sorted(set(each.buckets))
        if "usd" in each.name:
            assert "USD" in each.meaning
        if "seconds" in each.name:
            assert each.meaning.startswith("Seconds")

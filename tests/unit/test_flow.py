"""Pages flow from stage to stage: each as soon as what it is made from is there, and none is forgotten."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from checkpointing.budget import write_budget
from checkpointing.errors import InputError, UnknownNameError
from checkpointing.ledger import Call, new_attempt
from checkpointing.models import FailedPage, Pause, Status
from checkpointing.money import MICRO_DOLLAR
from producer.planning.enqueue import enqueue, requests_through
from producer.planning.request import Request
from tests.support.fake_deployment import SCAN, STAGE, Shop, make_shop
from tests.support.stages import CopyStage, Stamp, raising, stamp
from worker.deployment import Workshop
from worker.pipeline import stage_flow as flow
from worker.pipeline.process_page import Outcome
from worker.pipeline.registry import STAGES
from worker.reconciler.reconciler import Steward
from worker.reconciler.recovery import Healer

COPY = CopyStage.name
TORN = FailedPage(page=3, kind="torn", message="torn", attempts=1)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = make_shop(tmp_path / "scans", monkeypatch)
    monkeypatch.setattr("producer.planning.enqueue.check_broker", bool)  # the fake broker has no address
    made.write_scan()
    return made


@pytest.fixture
def copies(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> CopyStage:
    """A second stage: the pipeline's order is that of the registry."""
    assert STAGE in STAGES, shop.stage
    stage = CopyStage()
    monkeypatch.setitem(STAGES, COPY, lambda _settings: stage)
    return stage


def open_both(shop: Shop) -> None:
    for request in requests_through(shop.workshop, Request(SCAN, STAGE), COPY):
        enqueue(shop.workshop, request)


def commit(shop: Shop, stage: str = STAGE) -> None:
    """As a steward does, whoever committed a moment ago."""
    shop.redis.delete(shop.workshop.keys.commit(SCAN, stage))
    Steward(shop.workshop).commit_inboxes()


def queued(shop: Shop) -> set[int]:
    return shop.workshop.queue(SCAN, COPY).carried()


def checkpoint(workshop: Workshop, stage: str = COPY) -> tuple[Status, list[int], set[int]]:
    found = workshop.checkpoint_file(SCAN, stage).read()
    return found.status, found.completed_pages, found.quarantined()


def heal_twice(shop: Shop) -> None:
    healer = Healer(shop.workshop)
    for _ in range(2):
        healer.heal(SCAN, COPY)


@pytest.mark.usefixtures("copies")
def test_nothing_begins_before_what_it_is_made_from(shop: Shop) -> None:
    first, second = (
        enqueue(shop.workshop, request) for request in requests_through(shop.workshop, Request(SCAN, STAGE), COPY)
    )
    assert first.enqueued == [1, 2, 3, 4, 5]
    assert (second.enqueued, second.waiting) == ([], [1, 2, 3, 4, 5])
    heal_twice(shop)
    assert queued(shop) == set()


@pytest.mark.usefixtures("copies")
def test_a_page_follows_when_it_and_its_neighbours_are_complete(shop: Shop) -> None:
    open_both(shop)
    for page in (1, 2):
        shop.process(page)
    commit(shop)
    assert queued(shop) == {1}
    shop.process(4)
    commit(shop)
    assert queued(shop) == {1}
    shop.process(3)
    commit(shop)
    assert queued(shop) == {1, 2, 3}
    shop.process(5)
    commit(shop)
    assert queued(shop) == {1, 2, 3, 4, 5}


@pytest.mark.usefixtures("copies")
def test_what_was_not_fed_is_found_by_the_healer(shop: Shop) -> None:
    open_both(shop)
    for page in (1, 2, 3):
        shop.process(page)
    shop.commit()  # by somebody who died before he fed the next stage
    assert queued(shop) == set()
    heal_twice(shop)
    assert queued(shop) == {1, 2}


@pytest.mark.usefixtures("copies")
def test_neighbours_that_nobody_asked_for_are_not_waited_for(shop: Shop) -> None:
    for request in requests_through(shop.workshop, Request(SCAN, STAGE, 1, 2), COPY):
        enqueue(shop.workshop, request)
    for page in (1, 2):
        shop.process(page)
    commit(shop)
    assert queued(shop) == {1, 2}


@pytest.mark.usefixtures("copies")
def test_a_stage_by_itself_takes_what_is_there(shop: Shop) -> None:
    shop.complete(1, 2, 3, 4, 5)
    assert enqueue(shop.workshop, Request(SCAN, COPY)).enqueued == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("copies")
def test_pages_that_would_wait_for_ever_are_refused(shop: Shop) -> None:
    shop.complete(1, 2)
    with pytest.raises(InputError, match=r"--stage stamp --through copy"):
        enqueue(shop.workshop, Request(SCAN, COPY))
    assert enqueue(shop.workshop, Request(SCAN, COPY, 1, 2)).enqueued == [1, 2]


@pytest.mark.usefixtures("copies")
def test_a_page_given_up_earlier_is_given_up_later_and_comes_back_with_it(shop: Shop) -> None:
    open_both(shop)
    shop.hand_over(TORN)
    commit(shop)
    heal_twice(shop)
    commit(shop, COPY)
    assert checkpoint(shop.workshop)[2] == {3}
    enqueue(shop.workshop, Request(SCAN, STAGE, release=frozenset({3})))
    shop.process(3)
    commit(shop)
    assert 3 in enqueue(shop.workshop, Request(SCAN, COPY)).remaining


@pytest.mark.usefixtures("copies")
def test_what_all_pages_make_together_is_made_once(shop: Shop) -> None:
    shop.complete(1, 2, 3, 4, 5)
    enqueue(shop.workshop, Request(SCAN, COPY))
    path = shop.root / SCAN / "copies" / "all.json"
    for page in range(1, 6):
        shop.process(page, stage=COPY)
        assert not path.exists()
    commit(shop, COPY)
    assert checkpoint(shop.workshop)[0] is Status.COMPLETED
    assert json.loads(path.read_bytes())["pages"] == [1, 2, 3, 4, 5]
    before = path.stat().st_mtime_ns
    enqueue(shop.workshop, Request(SCAN, COPY))
    assert path.stat().st_mtime_ns == before
    path.unlink()
    enqueue(shop.workshop, Request(SCAN, COPY))
    assert path.exists()


def test_a_page_that_is_gone_before_the_last_one_comes_is_done_again(shop: Shop, copies: CopyStage) -> None:
    shop.complete(1, 2, 3, 4, 5)
    enqueue(shop.workshop, Request(SCAN, COPY))
    for page in range(1, 5):
        shop.process(page, stage=COPY)
    commit(shop, COPY)
    (shop.root / SCAN / "copies" / "page_0002.json").write_text("{")
    shop.process(5, stage=COPY)
    commit(shop, COPY)
    assert checkpoint(shop.workshop)[:2] == (Status.IN_PROGRESS, [1, 3, 4, 5])
    assert shop.workshop.checkpoint_file(SCAN, COPY).read().pending() == [2]
    shop.process(2, stage=COPY)
    commit(shop, COPY)
    assert checkpoint(shop.workshop)[0] is Status.COMPLETED
    assert copies.runs == [1, 2, 3, 4, 5, 2]


def test_a_page_whose_source_is_done_again_waits_and_loses_no_attempt(shop: Shop, copies: CopyStage) -> None:
    shop.complete(1, 2, 3, 4, 5)
    enqueue(shop.workshop, Request(SCAN, COPY))
    enqueue(shop.workshop, Request(SCAN, STAGE, 2, 2, resume=False))
    assert shop.process(2, stage=COPY) is Outcome.WAITS
    assert copies.runs == []
    assert shop.workshop.queue(SCAN, COPY).attempts().get(2, 0) == 0


def test_a_page_whose_source_is_damaged_is_given_up_after_its_attempts(shop: Shop, copies: CopyStage) -> None:
    shop.complete(1, 2, 3, 4, 5)
    enqueue(shop.workshop, Request(SCAN, COPY))
    shop.output_path(2).write_text("{")
    for _ in range(2):
        assert shop.process(2, stage=COPY) is Outcome.TRY_AGAIN
    assert shop.process(2, stage=COPY) is Outcome.QUARANTINED
    commit(shop, COPY)
    assert copies.runs == []
    assert shop.workshop.checkpoint_file(SCAN, COPY).read().failed_pages[0].kind == flow.UPSTREAM


def test_outputs_say_what_they_were_made_from(shop: Shop, copies: CopyStage) -> None:
    shop.complete(1, 2, 3, 4, 5)
    enqueue(shop.workshop, Request(SCAN, COPY))
    shop.process(2, stage=COPY)
    made = Stamp.model_validate_json((shop.root / SCAN / "copies" / "page_0002.json").read_bytes()).made_from
    assert made is not None
    assert made.inputs == {STAGE: shop.workshop.outputs(SCAN, STAGE).sha256(2)}
    assert made.stage_version == copies.version
    commit(shop, COPY)
    assert shop.workshop.checkpoint_file(SCAN, COPY).read().pages[2].made_from == made.digest()


def pay(shop: Shop, page: int, micro: Decimal) -> None:
    """Note an answer about a page that cost so many micro-dollars."""
    ledger = shop.workshop.ledger(SCAN, STAGE)
    call = Call(
        attempt=new_attempt(),
        scan_id=SCAN,
        stage=STAGE,
        page=page,
        provider="127.0.0.1",
        model="a-model",
        request_sha256="a" * 64,
        most_micro=900,
    )
    ledger.ask(call)
    ledger.answer(call.model_copy(update={"cost_micro": micro}))


def test_a_pause_counts_what_its_page_has_cost(shop: Shop) -> None:
    shop.ask_for((1, 2))
    pay(shop, 2, Decimal(50_000))
    shop.hand_over(Pause(page=2, reason="the price known for a-model is wrong"))
    shop.commit()
    assert (shop.checkpoint().status, shop.checkpoint().total_cost_usd) == (Status.PAUSED, 0.05)


def test_costs_finer_than_a_micro_dollar_add_up_in_the_checkpoint(shop: Shop) -> None:
    shop.ask_for((1, 5))
    spent = Decimal("0.4") * MICRO_DOLLAR
    for page in range(1, 6):
        done = shop.completion(page, float(spent))
        shop.hand_over(done.model_copy(update={"ledger_micro": 0}))
    shop.commit()
    assert shop.checkpoint().total_cost_usd == 0.000002
    assert shop.another_workshop().checkpoint_file(SCAN, STAGE).read().ledger_micro(3) == Decimal("0.4")
    raw = json.loads(shop.workshop.checkpoint_file(SCAN, STAGE).path.read_bytes())
    assert set(raw["ledger"].values()) == {0}, "older versions read whole numbers there"


def test_what_adopted_and_failed_pages_have_cost_keeps_its_decimals(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(shop.stage), "asks_model", True, raising=False)
    shop.ask_for((1, 2))
    for page in (1, 2):
        pay(shop, page, Decimal("0.4"))
    shop.completion(1)
    healer = Healer(shop.workshop)
    healer.heal(SCAN, STAGE)
    assert healer.heal(SCAN, STAGE).adopted == [1]
    shop.hand_over(FailedPage(page=2, kind="loop", message="again and again", ledger_micro=0))
    shop.commit()
    assert shop.checkpoint().total_cost_usd == 0.0000008


def test_a_pause_stops_the_stage_and_enqueue_goes_on(shop: Shop) -> None:
    enqueue(shop.workshop, Request(SCAN, STAGE))
    shop.process(1)
    shop.hand_over(Pause(page=2, reason="the budget is reached"))
    shop.commit()
    assert (shop.checkpoint().status, shop.checkpoint().error) == (Status.PAUSED, "the budget is reached")
    Healer(shop.workshop).heal(SCAN, STAGE)
    assert shop.waiting_pages() == []
    assert shop.open_stages.all() == []
    again = enqueue(shop.workshop, Request(SCAN, STAGE))
    assert again.enqueued == [2, 3, 4, 5]
    assert (shop.checkpoint().status, shop.checkpoint().error) == (Status.IN_PROGRESS, None)


def test_a_pause_for_a_budget_that_was_enlarged_meanwhile_changes_nothing(shop: Shop) -> None:
    for budget, status in (("2.00", Status.IN_PROGRESS), ("1.00", Status.PAUSED), ("0.50", Status.PAUSED)):
        enqueue(shop.workshop, Request(SCAN, STAGE))
        write_budget(shop.root / SCAN, Decimal(budget))
        shop.hand_over(Pause(page=2, reason="the budget of $1.00 is reached", budget_usd=Decimal("1.00")))
        shop.commit()
        assert shop.checkpoint().status is status


def test_a_pause_for_a_budget_that_nobody_can_read_stands(shop: Shop) -> None:
    enqueue(shop.workshop, Request(SCAN, STAGE))
    write_budget(shop.root / SCAN, Decimal("2.00"))
    (shop.root / SCAN / "ledger" / "budget.json").write_text("{")
    shop.hand_over(Pause(page=2, reason="the budget of $1.00 is reached", budget_usd=Decimal("1.00")))
    shop.commit()
    assert shop.checkpoint().status is Status.PAUSED


def test_a_pause_that_comes_after_the_last_page_changes_nothing(shop: Shop) -> None:
    enqueue(shop.workshop, Request(SCAN, STAGE))
    for page in range(1, 6):
        shop.process(page)
    shop.hand_over(Pause(page=2, reason="the budget is reached"))
    shop.commit()
    assert shop.checkpoint().status is Status.COMPLETED


@pytest.mark.usefixtures("copies")
def test_the_way_through_the_stages(shop: Shop) -> None:
    assert flow.through(shop.workshop, STAGE, COPY) == [STAGE, COPY]
    assert flow.through(shop.workshop, COPY, COPY) == [COPY]
    with pytest.raises(UnknownNameError):
        flow.through(shop.workshop, COPY, STAGE)
    with pytest.raises(UnknownNameError):
        flow.through(shop.workshop, STAGE, "nonsense")


def test_a_stage_that_raises_for_want_of_anything_else_has_failed(shop: Shop) -> None:
    enqueue(shop.workshop, Request(SCAN, STAGE))
    shop.stage.act = raising(ValueError("never"))
    assert shop.process(1) is Outcome.TRY_AGAIN
    shop.stage.act = stamp
    assert shop.process(1) is Outcome.COMPLETE

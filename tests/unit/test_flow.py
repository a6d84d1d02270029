"""Pages flow from stage to stage: each as soon as what it is made from is there, and none is forgotten."""

import json
from decimal import Decimal

import pytest

from checkpointing.budget import write_budget
from checkpointing.errors import InputError, UnknownNameError
from checkpointing.messages import Pause
from checkpointing.money import Money
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from checkpointing.status import Status
from producer.planning.enqueue import enqueue, requests_through
from producer.planning.request import Request
from tests.support.calls import a_call
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment
from tests.support.stages import CopyStage, Stamp, raising, stamp
from worker.deployment import Deployment
from worker.pipeline import stage_flow as flow
from worker.queue.messages import Outcome
from worker.reconciler.reconciler import Reconciler
from worker.reconciler.recovery import PageRecovery
from worker.stages.registry import STAGES

COPY = CopyStage.name
TORN = FailedPage(page=3, kind="torn", message="torn", attempts=1)


@pytest.fixture
def copies(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> CopyStage:
    """A second stage: the pipeline's order is that of the registry."""
    assert STAGE in STAGES, fake.stage
    stage = CopyStage()
    monkeypatch.setitem(STAGES, COPY, stage)
    return stage


def open_both(fake: FakeDeployment) -> None:
    for request in requests_through(fake.parts.store, Request(SCAN, STAGE), COPY):
        enqueue(fake.parts, request)


def commit(fake: FakeDeployment, stage: str = STAGE) -> None:
    """As a reconciler does, whoever committed a moment ago."""
    fake.redis.delete(fake.parts.queues.keys.commit(StageRef(SCAN, stage)))
    Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls).commit_inboxes()


def queued(fake: FakeDeployment) -> set[int]:
    return fake.parts.queues.queue(StageRef(SCAN, COPY)).carried()


def checkpoint(parts: Deployment, stage: str = COPY) -> tuple[Status, list[int], set[int]]:
    found = parts.store.checkpoint_file(StageRef(SCAN, stage)).read()
    return found.status, found.completed_pages, found.quarantined()


def heal_twice(fake: FakeDeployment) -> None:
    recovery = PageRecovery(fake.parts.store, fake.parts.queues, fake.parts.calls)
    for _ in range(2):
        recovery.recover(StageRef(SCAN, COPY))


@pytest.mark.usefixtures("copies")
def test_nothing_begins_before_what_it_is_made_from(fake: FakeDeployment) -> None:
    first, second = (
        enqueue(fake.parts, request) for request in requests_through(fake.parts.store, Request(SCAN, STAGE), COPY)
    )
    assert first.enqueued == [1, 2, 3, 4, 5]
    assert (second.enqueued, second.waiting) == ([], [1, 2, 3, 4, 5])
    heal_twice(fake)
    assert queued(fake) == set()


@pytest.mark.usefixtures("copies")
def test_a_page_follows_when_it_and_its_neighbours_are_complete(fake: FakeDeployment) -> None:
    open_both(fake)
    for page in (1, 2):
        fake.process(page)
    commit(fake)
    assert queued(fake) == {1}
    fake.process(4)
    commit(fake)
    assert queued(fake) == {1}
    fake.process(3)
    commit(fake)
    assert queued(fake) == {1, 2, 3}
    fake.process(5)
    commit(fake)
    assert queued(fake) == {1, 2, 3, 4, 5}


@pytest.mark.usefixtures("copies")
def test_what_was_not_fed_is_found_by_the_recovery(fake: FakeDeployment) -> None:
    open_both(fake)
    for page in (1, 2, 3):
        fake.process(page)
    fake.commit()  # by somebody who died before he fed the next stage
    assert queued(fake) == set()
    heal_twice(fake)
    assert queued(fake) == {1, 2}


@pytest.mark.usefixtures("copies")
def test_neighbours_that_were_not_requested_are_not_waited_for(fake: FakeDeployment) -> None:
    for request in requests_through(fake.parts.store, Request(SCAN, STAGE, 1, 2), COPY):
        enqueue(fake.parts, request)
    for page in (1, 2):
        fake.process(page)
    commit(fake)
    assert queued(fake) == {1, 2}


@pytest.mark.usefixtures("copies")
def test_a_stage_by_itself_takes_what_is_there(fake: FakeDeployment) -> None:
    fake.complete(1, 2, 3, 4, 5)
    assert enqueue(fake.parts, Request(SCAN, COPY)).enqueued == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("copies")
def test_pages_that_would_wait_for_ever_are_refused(fake: FakeDeployment) -> None:
    fake.complete(1, 2)
    with pytest.raises(InputError, match=r"--stage stamp --through copy"):
        enqueue(fake.parts, Request(SCAN, COPY))
    assert enqueue(fake.parts, Request(SCAN, COPY, 1, 2)).enqueued == [1, 2]


@pytest.mark.usefixtures("copies")
def test_a_page_given_up_earlier_is_given_up_later_and_comes_back_with_it(fake: FakeDeployment) -> None:
    open_both(fake)
    fake.hand_over(TORN)
    commit(fake)
    heal_twice(fake)
    commit(fake, COPY)
    assert checkpoint(fake.parts)[2] == {3}
    enqueue(fake.parts, Request(SCAN, STAGE, release=frozenset({3})))
    fake.process(3)
    commit(fake)
    assert 3 in enqueue(fake.parts, Request(SCAN, COPY)).remaining


@pytest.mark.usefixtures("copies")
def test_what_all_pages_make_together_is_made_once(fake: FakeDeployment) -> None:
    fake.complete(1, 2, 3, 4, 5)
    enqueue(fake.parts, Request(SCAN, COPY))
    path = fake.root / SCAN / "copies" / "all.json"
    for page in range(1, 6):
        fake.process(page, stage=COPY)
        assert not path.exists()
    commit(fake, COPY)
    assert checkpoint(fake.parts)[0] is Status.COMPLETED
    assert json.loads(path.read_bytes())["pages"] == [1, 2, 3, 4, 5]
    before = path.stat().st_mtime_ns
    enqueue(fake.parts, Request(SCAN, COPY))
    assert path.stat().st_mtime_ns == before
    path.unlink()
    enqueue(fake.parts, Request(SCAN, COPY))
    assert path.exists()


def test_a_page_that_is_gone_before_the_last_one_comes_is_done_again(
    fake: FakeDeployment, copies: CopyStage
) -> None:
    fake.complete(1, 2, 3, 4, 5)
    enqueue(fake.parts, Request(SCAN, COPY))
    for page in range(1, 5):
        fake.process(page, stage=COPY)
    commit(fake, COPY)
    (fake.root / SCAN / "copies" / "page_0002.json").write_text("{")
    fake.process(5, stage=COPY)
    commit(fake, COPY)
    assert checkpoint(fake.parts)[:2] == (Status.IN_PROGRESS, [1, 3, 4, 5])
    assert fake.parts.store.checkpoint_file(StageRef(SCAN, COPY)).read().pending() == [2]
    fake.process(2, stage=COPY)
    commit(fake, COPY)
    assert checkpoint(fake.parts)[0] is Status.COMPLETED
    assert copies.runs == [1, 2, 3, 4, 5, 2]


def test_a_page_whose_source_is_done_again_waits_and_loses_no_attempt(
    fake: FakeDeployment, copies: CopyStage
) -> None:
    fake.complete(1, 2, 3, 4, 5)
    enqueue(fake.parts, Request(SCAN, COPY))
    enqueue(fake.parts, Request(SCAN, STAGE, 2, 2, resume=False))
    assert fake.process(2, stage=COPY) is Outcome.WAITS
    assert copies.runs == []
    assert fake.parts.queues.queue(StageRef(SCAN, COPY)).attempts().get(2, 0) == 0


def test_a_page_whose_source_is_damaged_is_given_up_after_its_attempts(
    fake: FakeDeployment, copies: CopyStage
) -> None:
    fake.complete(1, 2, 3, 4, 5)
    enqueue(fake.parts, Request(SCAN, COPY))
    fake.output_path(2).write_text("{")
    for _ in range(2):
        assert fake.process(2, stage=COPY) is Outcome.TRY_AGAIN
    assert fake.process(2, stage=COPY) is Outcome.QUARANTINED
    commit(fake, COPY)
    assert copies.runs == []
    assert fake.parts.store.checkpoint_file(StageRef(SCAN, COPY)).read().failed_pages[0].kind == flow.UPSTREAM


def test_outputs_say_what_they_were_made_from(fake: FakeDeployment, copies: CopyStage) -> None:
    fake.complete(1, 2, 3, 4, 5)
    enqueue(fake.parts, Request(SCAN, COPY))
    fake.process(2, stage=COPY)
    made = Stamp.model_validate_json((fake.root / SCAN / "copies" / "page_0002.json").read_bytes()).made_from
    assert made is not None
    assert made.inputs == {STAGE: fake.parts.store.outputs(REF).sha256(2)}
    assert made.stage_version == copies.version
    commit(fake, COPY)
    assert fake.parts.store.checkpoint_file(StageRef(SCAN, COPY)).read().pages[2].made_from == made.digest()


def pay(fake: FakeDeployment, page: int, micro: Decimal) -> None:
    """Note an answer about a page that cost so many micro-dollars."""
    ledger = fake.parts.store.ledger(REF)
    call = a_call(REF, page)
    ledger.ask(call)
    ledger.answer(call.model_copy(update={"cost_micro": micro}))


def test_a_pause_counts_what_its_page_has_cost(fake: FakeDeployment) -> None:
    fake.ask_for((1, 2))
    pay(fake, 2, Decimal(50_000))
    fake.hand_over(Pause(page=2, reason="the price known for a-model is wrong"))
    fake.commit()
    assert (fake.checkpoint().status, fake.checkpoint().total_cost_usd) == (Status.PAUSED, 0.05)


def test_costs_finer_than_a_micro_dollar_add_up_in_the_checkpoint(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    spent = Money.from_micro(Decimal("0.4"))
    for page in range(1, 6):
        done = fake.completion(page, spent.usd)
        fake.hand_over(done.model_copy(update={"ledger_micro": 0}))
    fake.commit()
    assert fake.checkpoint().total_cost_usd == 0.000002
    assert fake.another_process().store.checkpoint_file(REF).read().ledger_cost(3) == spent
    raw = json.loads(fake.parts.store.checkpoint_file(REF).path.read_bytes())
    assert set(raw["ledger"].values()) == {0}, "older versions read whole numbers there"


def test_what_adopted_and_failed_pages_have_cost_keeps_its_decimals(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(fake.stage), "uses_model", True)
    fake.ask_for((1, 2))
    for page in (1, 2):
        pay(fake, page, Decimal("0.4"))
    fake.completion(1)
    recovery = PageRecovery(fake.parts.store, fake.parts.queues, fake.parts.calls)
    recovery.recover(REF)
    assert recovery.recover(REF).adopted == [1]
    fake.hand_over(FailedPage(page=2, kind="loop", message="again and again", ledger_micro=0))
    fake.commit()
    assert fake.checkpoint().total_cost_usd == 0.0000008


def test_a_pause_stops_the_stage_and_enqueue_goes_on(fake: FakeDeployment) -> None:
    enqueue(fake.parts, Request(SCAN, STAGE))
    fake.process(1)
    fake.hand_over(Pause(page=2, reason="the budget is reached"))
    fake.commit()
    assert (fake.checkpoint().status, fake.checkpoint().error) == (Status.PAUSED, "the budget is reached")
    PageRecovery(fake.parts.store, fake.parts.queues, fake.parts.calls).recover(REF)
    assert fake.waiting_pages() == []
    assert fake.open_stages.all() == []
    again = enqueue(fake.parts, Request(SCAN, STAGE))
    assert again.enqueued == [2, 3, 4, 5]
    assert (fake.checkpoint().status, fake.checkpoint().error) == (Status.IN_PROGRESS, None)


def test_a_pause_for_a_budget_that_was_enlarged_meanwhile_changes_nothing(fake: FakeDeployment) -> None:
    for budget, status in (("2.00", Status.IN_PROGRESS), ("1.00", Status.PAUSED), ("0.50", Status.PAUSED)):
        enqueue(fake.parts, Request(SCAN, STAGE))
        write_budget(fake.root / SCAN, Decimal(budget))
        fake.hand_over(Pause(page=2, reason="the budget of $1.00 is reached", budget_usd=Decimal("1.00")))
        fake.commit()
        assert fake.checkpoint().status is status


def test_a_pause_for_a_budget_that_cannot_be_read_stands(fake: FakeDeployment) -> None:
    enqueue(fake.parts, Request(SCAN, STAGE))
    write_budget(fake.root / SCAN, Decimal("2.00"))
    (fake.root / SCAN / "ledger" / "budget.json").write_text("{")
    fake.hand_over(Pause(page=2, reason="the budget of $1.00 is reached", budget_usd=Decimal("1.00")))
    fake.commit()
    assert fake.checkpoint().status is Status.PAUSED


def test_a_pause_that_comes_after_the_last_page_changes_nothing(fake: FakeDeployment) -> None:
    enqueue(fake.parts, Request(SCAN, STAGE))
    for page in range(1, 6):
        fake.process(page)
    fake.hand_over(Pause(page=2, reason="the budget is reached"))
    fake.commit()
    assert fake.checkpoint().status is Status.COMPLETED


@pytest.mark.usefixtures("copies")
def test_the_way_through_the_stages(fake: FakeDeployment) -> None:
    assert flow.through(fake.parts.store, STAGE, COPY) == [STAGE, COPY]
    assert flow.through(fake.parts.store, COPY, COPY) == [COPY]
    with pytest.raises(UnknownNameError):
        flow.through(fake.parts.store, COPY, STAGE)
    with pytest.raises(UnknownNameError):
        flow.through(fake.parts.store, STAGE, "nonsense")


def test_a_stage_that_raises_for_want_of_anything_else_has_failed(fake: FakeDeployment) -> None:
    enqueue(fake.parts, Request(SCAN, STAGE))
    fake.stage.act = raising(ValueError("never"))
    assert fake.process(1) is Outcome.TRY_AGAIN
    fake.stage.act = stamp
    assert fake.process(1) is Outcome.COMPLETE

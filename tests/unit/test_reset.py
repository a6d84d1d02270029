"""Reset: a stage is forgotten whole, nothing that was paid for is lost, and nothing happens unasked."""

import io
import json
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.errors import BrokerError, CheckpointError, NotConfirmedError, UnknownNameError
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from checkpointing.status import Status
from producer.commands.reset import reset_command
from producer.planning.enqueue import enqueue
from producer.planning.request import Request
from producer.planning.reset import look, reset
from producer.verify.verify_scan import verify
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake, take_commands
from tests.support.killed import kill_at
from worker.queue.page_queue import PageQueue

TORN = FailedPage(page=3, kind="torn", message="torn", attempts=3)


def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """Of 5 pages 1 is complete, 2 waits to be merged, 3 is in quarantine, 4 and 5 wait in the queue."""
    made = make_fake(folder, monkeypatch)
    take_commands(made, monkeypatch, "planning.preconditions")
    made.write_scan()
    made.ask_for((1, 3))
    made.complete(1, cost_usd=0.25)
    made.hand_over(TORN)
    made.commit()
    made.hand_over(made.completion(2, cost_usd=0.5))
    enqueue(made.another_process(), Request(SCAN, STAGE, start_page=4))
    made.queue.raise_attempts({4: 2})
    made.hand_over(made.completion(2, cost_usd=0.5))
    return made


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    return make(tmp_path / "scans", monkeypatch)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def insist_on_forgotten(fake: FakeDeployment) -> None:
    checkpoint = fake.checkpoint()
    assert checkpoint.status is Status.NOT_STARTED
    assert (checkpoint.pages, checkpoint.failed_pages, checkpoint.requested) == ({}, [], [])
    assert (checkpoint.started_at, checkpoint.error) == (None, None)
    assert checkpoint.total_cost_usd == 0.75
    assert fake.open_stages.all() == []
    assert fake.entries() == []
    assert fake.waiting_pages() == []
    assert checkpoint.attempts == fake.queue.attempts() == {}
    outputs = fake.parts.store.outputs(REF)
    assert outputs.pages() == set()
    kept = sorted(path.name for path in (outputs.path / "set_aside").iterdir())
    assert kept == ["page_0001.json", "page_0002.json"]


def test_a_stage_is_forgotten_its_outputs_are_kept_and_its_cost_stays(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    reset_command(SCAN, STAGE, yes=True)
    insist_on_forgotten(fake)
    said = capsys.readouterr().out
    assert said.startswith(f"{SCAN}/{STAGE}: 2 complete pages reset, 2 outputs are kept in ")
    assert said.endswith("set_aside; $0.75 stays recorded\n")


def test_it_can_begin_anew(fake: FakeDeployment) -> None:
    reset_command(SCAN, STAGE, yes=True)
    made = enqueue(fake.another_process(), Request(SCAN, STAGE))
    assert made.enqueued == [1, 2, 3, 4, 5]
    for _ in range(5):
        fake.process_next()
    fake.commit()
    assert fake.stage.runs == [1, 2, 3, 4, 5]
    assert fake.checkpoint().status is Status.COMPLETED
    assert fake.checkpoint().total_cost_usd == 0.75


def test_what_is_left_has_no_differences(fake: FakeDeployment) -> None:
    reset_command(SCAN, STAGE, yes=True)
    assert verify(fake.another_process().store, SCAN, STAGE).stages[0].findings == []


def test_a_stage_that_has_not_begun_is_left_alone(fake: FakeDeployment, capsys: pytest.CaptureFixture[str]) -> None:
    reset_command(SCAN, STAGE, yes=True)
    before = (fake.files(), fake.redis_keys())
    reset_command(SCAN, STAGE)
    reset_command(SCAN, "ocr")
    assert (fake.files(), fake.redis_keys()) == before
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{SCAN}/{STAGE}: it has not begun, nothing to reset",
        f"{SCAN}/ocr: it has not begun, nothing to reset",
    ]


@pytest.mark.parametrize("answer", ["", "no\n", "y\n", "yes please\n"])
def test_without_a_yes_nothing_is_done(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    before = (fake.files(), fake.redis_keys())
    with pytest.raises(NotConfirmedError, match="nothing was changed"):
        reset_command(SCAN, STAGE)
    assert (fake.files(), fake.redis_keys()) == before


def test_it_asks_with_what_there_is_to_lose(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    reset_command(SCAN, STAGE)
    asked = capsys.readouterr().err
    assert asked.startswith(f"This resets {SCAN}/{STAGE}: 2 complete pages, 2 outputs (set aside), $0.75")
    assert asked.endswith("Type yes to continue: ")
    insist_on_forgotten(fake)


def test_without_a_terminal_it_takes_a_word_for_it(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    before = (fake.files(), fake.redis_keys())
    with pytest.raises(NotConfirmedError, match="--yes"):
        reset_command(SCAN, STAGE)
    assert (fake.files(), fake.redis_keys()) == before
    assert NotConfirmedError.exit_code == 2


def test_while_a_worker_has_a_page_in_hand_it_is_refused(fake: FakeDeployment) -> None:
    with fake.parts.queues.claims.take(REF, 4):
        before = (fake.files(), set(fake.redis_keys()))
        with pytest.raises(CheckpointError, match=r"pages in hand \(4\).*`producer cancel a-book --stage stamp`"):
            reset_command(SCAN, STAGE, yes=True)
        assert (fake.files(), set(fake.redis_keys())) == before
    reset_command(SCAN, STAGE, yes=True)
    insist_on_forgotten(fake)


def test_a_page_that_is_begun_at_the_last_moment_stops_it_and_the_others_are_healed(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = PageQueue.held
    looks: list[int] = []

    def look_twice(queue: PageQueue, pages: list[int]) -> set[int]:
        looks.append(1)
        return {4} if len(looks) == 2 else held(queue, pages)

    monkeypatch.setattr(PageQueue, "held", look_twice)
    another = fake.another_process()
    with pytest.raises(CheckpointError, match="pages in hand"):
        reset(another.store, another.queues, REF)
    assert fake.open_stages.all() == [REF]
    assert fake.checkpoint().pending() == [4, 5]
    assert fake.checkpoint().completed_pages == [1, 2]
    assert fake.parts.store.outputs(REF).pages() == {1, 2}


def test_without_redis_nothing_is_touched(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(_: object) -> None:
        raise BrokerError("down")

    before = fake.files()
    with monkeypatch.context() as patched:
        patched.setattr("producer.planning.preconditions.check_broker", down)
        with pytest.raises(BrokerError, match="down"):
            reset_command(SCAN, STAGE, yes=True)

    def gone(_queue: PageQueue, _pages: list[int]) -> set[int]:
        raise RedisConnectionError("gone")

    monkeypatch.setattr(PageQueue, "held", gone)
    with pytest.raises(BrokerError, match=r"Redis failed \(gone\); repeat the command"):
        reset_command(SCAN, STAGE, yes=True)
    assert fake.files() == before


def test_an_unusable_checkpoint_is_kept_and_its_cost_with_it(fake: FakeDeployment) -> None:
    fake.commit()
    path = fake.parts.store.checkpoint_file(REF).path
    broken = path.read_bytes()[:-30]
    path.write_bytes(broken)
    reset_command(SCAN, STAGE, yes=True)
    insist_on_forgotten(fake)
    (kept,) = path.parent.glob("*.unusable-*")
    assert kept.read_bytes() == broken


def test_a_checkpoint_that_is_gone_leaves_the_outputs_to_be_set_aside(fake: FakeDeployment) -> None:
    fake.parts.store.checkpoint_file(REF).path.unlink()
    reset_command(SCAN, STAGE, yes=True)
    assert fake.parts.store.outputs(REF).pages() == set()
    assert fake.checkpoint().completed_pages == []


def test_what_does_not_exist_is_refused(fake: FakeDeployment) -> None:
    with pytest.raises(UnknownNameError, match="there is no stage 'no_such_stage'"):
        look(fake.parts.store, StageRef(SCAN, "no_such_stage"))
    with pytest.raises(UnknownNameError, match="did you mean 'a-book'"):
        look(fake.parts.store, StageRef("a-bok", STAGE))


def test_killed_at_any_step_the_same_command_again_does_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(100):
        with monkeypatch.context() as patched:
            fake = make(tmp_path / str(step), patched)
            killed = kill_at(step, patched, lambda: reset_command(SCAN, STAGE, yes=True))
            # Whatever was done by then, what the checkpoint says can be read, and no money is lost.
            form = json.loads(fake.parts.store.checkpoint_file(REF).path.read_bytes())
            waiting = sum(getattr(entry, "cost_usd", None) or 0 for entry in fake.entries())
            assert form["metadata"]["total_cost_usd"] + waiting >= 0.75
            reset_command(SCAN, STAGE, yes=True)
            insist_on_forgotten(fake)
        if not killed:
            assert step >= 7, "the steps are not the ones any more"
            return
    pytest.fail("it never came to an end")

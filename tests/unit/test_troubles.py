"""What people are told of a model that does not answer, from the breaker to the file to the line."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from checkpointing.fields import now
from checkpointing.refs import StageRef
from producer.status.output import detail_lines
from producer.status.scan_status import scan_status
from producer.watch import screen
from producer.watch.screen import PlainLines, snapshot_lines
from producer.watch.snapshot import Snapshot, Workers
from producer.watch.stage_reader import StageReader
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake
from tests.support.stage_snapshots import stage_snapshot
from worker.config.settings import Settings
from worker.llm.circuit_breaker import Silence
from worker.reconciler.reconciler import Reconciler
from worker.storage import outage_notes as troubles
from worker.storage.open_stages import OWN_FOLDER
from worker.storage.outage_notes import OutageNotes, Trouble

SAID = "127.0.0.1 says 500: [no] such luck"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / OWN_FOLDER).mkdir()
    return tmp_path


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """A deployment whose one stage asks a model."""
    monkeypatch.setattr(Settings, "model", lambda _self, _stage: "a-model")
    made = make_fake(tmp_path / "scans", monkeypatch, llm_base_url="http://127.0.0.1:1/v1")
    made.write_scan()
    (made.root / OWN_FOLDER).mkdir(exist_ok=True)
    return made


def silence(count: int = 12, seconds: float = 60.0, said: str = SAID) -> Silence:
    moment = now().timestamp()
    return Silence(count, moment - seconds, moment, seconds, said)


def told(root: Path, found: Silence | None) -> Trouble | None:
    OutageNotes(root).update("correction", "127.0.0.1", "a-model", found)
    return OutageNotes(root).of("correction")


def files(root: Path) -> list[str]:
    return [path.name for path in (root / OWN_FOLDER / "trouble").glob("*")]


def age(root: Path, seconds: float) -> None:
    """Let the file have been written so long ago."""
    (path,) = (root / OWN_FOLDER / "trouble").iterdir()
    content = json.loads(path.read_bytes())
    content["seen_at"] = (now() - timedelta(seconds=seconds)).isoformat()
    path.write_text(json.dumps(content))


def test_trouble_says_what_how_often_and_since_when(root: Path) -> None:
    trouble = told(root, silence())
    assert trouble is not None
    since = datetime.fromtimestamp(silence().since, UTC).astimezone()
    assert trouble.words() in {
        f"{SAID}, 12 times since {since:%H:%M}",
        f"{SAID}, 12 times since {since:%Y-%m-%d %H:%M}",
    }
    assert Trouble(**trouble.model_dump() | {"count": 1}).words().startswith(f"{SAID}, 1 time since ")
    silent = trouble.model_copy(update={"last": trouble.seen_at - timedelta(minutes=10)})
    assert ", 12 times since " in silent.words()
    assert ", last at " in silent.words()
    old = trouble.model_copy(update={"since": datetime(2026, 1, 2, 3, 4, tzinfo=UTC)})
    assert "2026-01-0" in old.words()


@pytest.mark.parametrize(
    ("found", "is_told"),
    [(silence(1, 0.1), False), (silence(2, 4.0), False), (silence(3, 0.1), True), (silence(1, 6.0), True)],
)
def test_a_failure_or_two_of_a_moment_are_not_told(root: Path, found: Silence, is_told: bool) -> None:
    assert (told(root, found) is not None) == is_told


def test_a_model_that_answers_again_leaves_no_file(root: Path) -> None:
    told(root, silence())
    assert told(root, None) is None
    assert files(root) == []


def test_the_file_is_written_rarely(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[Path] = []
    write = troubles.write_durably
    monkeypatch.setattr(troubles, "write_durably", lambda path, *rest: (writes.append(path), write(path, *rest)))
    first = silence()
    for _ in range(5):
        told(root, first)
        told(root, silence(count=13))
    assert len(writes) == 1
    age(root, 10)
    told(root, first)
    assert len(writes) == 1, "nothing new"
    told(root, silence(count=14))
    assert len(writes) == 2
    age(root, 70)
    told(root, silence(count=14))
    assert len(writes) == 3, "so that it is not taken for old"


def test_a_file_that_is_not_refreshed_is_not_believed(root: Path) -> None:
    told(root, silence())
    age(root, 1000)
    assert OutageNotes(root).of("correction") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"count": 0}', b"\xff"])
def test_a_damaged_file_tells_nothing_and_is_written_anew(root: Path, content: bytes) -> None:
    told(root, silence())
    (root / OWN_FOLDER / "trouble" / "correction.json").write_bytes(content)
    assert OutageNotes(root).of("correction") is None
    assert told(root, silence()) is not None


def test_a_fifo_in_its_place_keeps_no_command_waiting(root: Path) -> None:
    (root / OWN_FOLDER / "trouble").mkdir()
    os.mkfifo(root / OWN_FOLDER / "trouble" / "correction.json")
    assert OutageNotes(root).of("correction") is None
    assert told(root, silence()) is not None


def test_a_root_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        told(tmp_path / "gone", silence())
    assert not (tmp_path / "gone").exists()


def test_the_reconciler_tells_of_the_models_of_its_stages_and_takes_it_back(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    reconciler = Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls, {STAGE: 2})
    breaker = fake.parts.calls.breaker("a-model")
    for call in range(3):
        breaker.failed(str(call), SAID)
    reconciler.recover()
    assert _waits(fake).startswith(f"{SAID}, 3 times since ")
    breaker.answered()
    reconciler.recover()
    assert _waits(fake) == ""


def test_a_flushed_broker_takes_it_back_until_it_fails_again(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    reconciler = Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls, {STAGE: 2})
    for _ in range(2):
        for call in range(3):
            fake.parts.calls.breaker("a-model").failed(str(call), SAID)
        reconciler.recover()
        assert _waits(fake)
        fake.redis.flushall()
        reconciler.recover()
        assert not _waits(fake)


def _waits(fake: FakeDeployment) -> str:
    return scan_status(fake.another_process().store, SCAN).as_json()["stages"][STAGE]["waits"] or ""


def test_status_says_what_a_stage_waits_for_and_nothing_of_one_that_has_ended(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    fake.parts.store.outage_notes.update(STAGE, "127.0.0.1", "a-model", silence())
    (line,) = detail_lines([scan_status(fake.another_process().store, SCAN)])
    assert line.startswith(f"a-book/stamp waits: {SAID}, 12 times since ")
    fake.complete(1, 2, 3, 4, 5)
    assert _waits(fake) == ""


def test_control_characters_of_a_server_reach_no_terminal(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    fake.parts.store.outage_notes.update(STAGE, "127.0.0.1", "a-model", silence(said="\x1b[2J\nsays \x07 500"))
    assert _waits(fake).startswith("[2J says 500, 12 times")


def test_the_view_says_what_a_stage_waits_for(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    fake.parts.store.outage_notes.update(STAGE, "127.0.0.1", "a-model", silence())
    stage = StageReader(fake.parts.store, StageRef(SCAN, STAGE)).snapshot(None, None)
    assert stage.waits_for.startswith(SAID)
    assert any(line.startswith(f"  waits: {SAID}") for line in snapshot_lines(Snapshot(stages=(stage,))))


def test_a_run_says_what_a_stage_waits_for_and_nothing_of_one_that_has_ended(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    fake.parts.store.outage_notes.update(STAGE, "127.0.0.1", "a-model", silence())
    said: list[str] = []
    PlainLines(said.append).show(snapshot_of(fake))
    assert any(line.startswith(f"a-book/stamp waits: {SAID}") for line in said)
    fake.complete(1, 2, 3, 4, 5)
    said.clear()
    PlainLines(said.append).show(snapshot_of(fake))
    assert said == ["a-book/stamp: 5 of 5 pages complete  completed  $0.00"]


def snapshot_of(fake: FakeDeployment) -> Snapshot:
    return Snapshot((StageReader(fake.another_process().store, REF).snapshot(None, None),))


def test_plain_lines_of_watch_say_it_at_once_and_when_it_is_over() -> None:
    said: list[str] = []
    lines = PlainLines(said.append)
    lines.show(Snapshot(stages=(stage_snapshot(),)))
    for _ in range(3):
        lines.show(Snapshot(stages=(stage_snapshot(waits_for=f"{SAID}, 12 times"),)))
    lines.show(Snapshot(stages=(stage_snapshot(),)))
    assert said[1:3] == [f"a-book/ocr waits: {SAID}, 12 times", "a-book/ocr: the model answers again"]
    assert sum("waits" in line for line in said) == 1


def clock_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock for plain lines that goes when it is told to."""
    moment = [1000.0]
    monkeypatch.setattr(screen.time, "monotonic", lambda: moment[0])

    def pass_(seconds: float) -> None:
        moment[0] += seconds

    return pass_


def test_waiting_in_a_log_says_what_keeps_it_at_once_now_and_then_and_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pass_ = clock_of(monkeypatch)
    said: list[str] = []
    view = PlainLines(said.append)
    view.show(busy())
    for _ in range(40):
        pass_(1.0)
        view.show(busy(waits_for=f"{SAID}, 3 times since 19:23"))
    pass_(1.0)
    view.show(busy())
    assert said[1:] == [
        # At once, and half a minute later.
        *[f"a-book/ocr waits: {SAID}, 3 times since 19:23"] * 2,
        "a-book/ocr: the model answers again",
    ]


def busy(**changes: Any) -> Snapshot:
    return Snapshot((stage_snapshot(**changes),), workers=Workers(alive=1, asked=True))


def test_waiting_for_a_slow_model_says_now_and_then_that_it_still_does(monkeypatch: pytest.MonkeyPatch) -> None:
    pass_ = clock_of(monkeypatch)
    said: list[str] = []
    view = PlainLines(said.append)
    view.show(busy())
    for _ in range(150):
        pass_(1.0)
        view.show(busy())
    assert [line.split("  ")[-2:] for line in said[1:]] == [
        ["1 in flight", "no change for 1:00"],
        ["1 in flight", "no change for 2:00"],
    ]

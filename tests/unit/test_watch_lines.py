"""Which terminals get the live view and which get plain lines, and the text of these lines."""

import io
from dataclasses import replace
from time import monotonic
from types import SimpleNamespace

import pytest
from click.testing import Result
from rich.console import Console, ConsoleDimensions
from typer.testing import CliRunner

from checkpointing.errors import UnknownNameError
from checkpointing.refs import StageRef
from producer.cli import app
from producer.planning.enqueue import plan
from producer.planning.request import Request
from producer.watch.follow import follow_plans
from producer.watch.output import NO_WORKER, plain_line
from producer.watch.screen import PlainLines, Screen, has_screen, snapshot_lines
from producer.watch.snapshot import Snapshot, Task, Worker, Workers
from tests.support.fake_deployment import SCAN, STAGE, FakeDeployment
from tests.support.stage_snapshots import stage_snapshot
from worker.queue.worker_control import WorkerControl


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def terminal(width: int = 80, height: int = 24, file: io.StringIO | None = None) -> Console:
    return Console(file=file or Tty(), width=width, height=height)


@pytest.fixture
def fake(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    monkeypatch.setattr(WorkerControl, "active", lambda _self: [("worker@here", [])])
    return fake


def test_a_terminal_of_60_by_15_has_a_screen() -> None:
    assert has_screen(terminal(60, 15))
    assert not has_screen(terminal(59, 15))
    assert not has_screen(terminal(60, 14))


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("NO_COLOR", "1"), ("CI", "true")])
def test_dumb_terminals_no_color_and_ci_have_no_screen(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert not has_screen(terminal())


def test_a_pipe_has_no_screen_even_if_colour_is_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not has_screen(terminal(file=io.StringIO()))


def test_plain_lines_print_every_ten_seconds_and_at_each_change_of_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("producer.watch.screen.time", SimpleNamespace(monotonic=lambda: now))
    said: list[str] = []
    lines = PlainLines(said.append)
    for completed in range(1, 22):
        stage = stage_snapshot("#" * completed + "." * (22 - completed))
        lines.show(Snapshot((stage,), workers=Workers(alive=1, asked=True)))
        now += 1
    assert [line.partition(" pages")[0] for line in said] == [
        f"a-book/ocr: {completed} of 22" for completed in (1, 11, 21)
    ]
    lines.show(Snapshot((stage_snapshot("#" * 22, status="completed", under_way=False),)))
    assert said[3:] == ["a-book/ocr: 22 of 22 pages complete  completed  $0.00"]
    now += 100
    lines.show(Snapshot((stage_snapshot("#" * 22, status="completed", under_way=False),)))
    assert len(said) == 4


def test_plain_lines_print_once_that_redis_is_down_and_once_that_it_is_back() -> None:
    said: list[str] = []
    lines = PlainLines(said.append)
    fine = Snapshot(workers=Workers(asked=True))
    down = replace(fine, redis_problem="no answer for 7 s")
    for snapshot in (fine, down, replace(down, redis_problem="no answer for 8 s"), fine, fine):
        lines.show(snapshot)
    assert said == [
        "Redis does not answer (no answer for 7 s); pages in flight and workers are unknown",
        "Redis answers again",
    ]


def test_a_whole_snapshot_as_plain_lines() -> None:
    stage = stage_snapshot("##>.X-", last_failure="page 5: \x1b[31mtorn\x07 [red] (torn)", cost_usd=0.5)
    workers = Workers(
        (Worker("w@here", (Task(StageRef("a-book", "ocr"), 3, 90.0),)),), alive=1, slots=2, asked=True
    )
    assert snapshot_lines(Snapshot((stage,), 2, workers, other_scans="1 other scan: 1 completed", at=100.0)) == [
        "a-book/ocr: 2 of 6 pages complete, 1 quarantined  0.50 pages/s  ETA 0:04  $0.50  1 in flight",
        "  1 in flight: 3; 1 waiting",
        "  1 quarantined, most recently page 5: [31mtorn [red] (torn)",
        "and 2 more stages under way",
        "1 other scan: 1 completed",
        "Workers  1 alive, up to 2 pages at once",
        "  w@here  a-book/ocr: page 3 for 10 s",
    ]
    assert plain_line(stage_snapshot("..", pages_per_second=None)) == "a-book/ocr: 0 of 2 pages complete  $0.00"


def test_the_screen_is_redrawn_in_the_current_size_of_the_terminal() -> None:
    file = Tty()
    console = terminal(file=file)
    with Screen(console, "a hint") as screen:
        for size in ((100, 30), (60, 15)):
            console.size = ConsoleDimensions(*size)
            screen.show(Snapshot((stage_snapshot("#" * 500 + "." * 500),)))
    large, small = file.getvalue().split("\x1b[H")[-2:]
    assert (large.count("\n"), small.count("\n")) == (29, 14)
    assert "a hint" in small
    assert "\x1b[?1049h" in file.getvalue()
    assert "\x1b[?1049l" in small


def test_plans_are_shown_on_a_terminal_as_a_view_and_in_a_log_as_lines(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.ask_for((1, 5))
    fake.complete(1)
    plans = [plan(fake.parts.store, Request(SCAN, STAGE))]
    left = [2, 3, 4, 5]
    monkeypatch.setattr("producer.watch.follow.time", SimpleNamespace(sleep=lambda _: fake.complete(left.pop())))
    log = Console(file=io.StringIO(), width=120)
    (checkpoint,) = follow_plans(fake.another_process(), plans, log, "a hint")
    assert checkpoint.completed_pages == [1, 2, 3, 4, 5]
    first, last = log.file.getvalue().splitlines()  # type: ignore[attr-defined]  # a StringIO
    assert first == "a-book/stamp: 1 of 5 pages complete  $0.00"
    assert last == "a-book/stamp: 5 of 5 pages complete  completed  $0.00"

    monkeypatch.setattr("producer.watch.screen.Console", lambda **_: console)
    console = Console(file=Tty(), width=80, height=24, highlight=False)
    follow_plans(fake.another_process(), plans, console, "a hint")
    drawn, left_there = console.file.getvalue().split("\x1b[?1049l")  # type: ignore[attr-defined]  # a StringIO
    assert "a hint" in drawn
    assert left_there.strip().endswith("a-book/stamp: 5 of 5 pages complete  completed  $0.00")


def test_a_plan_that_is_followed_is_shown_however_many_others_there_are(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.watch.follow.MAX_STAGES", 1)
    monkeypatch.setattr("producer.watch.collect.MAX_STAGES", 1)
    fake.write_scan("atlas", pages=2)
    plans = [plan(fake.parts.store, Request(scan, STAGE, only=frozenset())) for scan in (SCAN, "atlas")]
    for each in plans:
        each.wanted.clear()
    log = Console(file=io.StringIO(), width=120)
    follow_plans(fake.another_process(), plans, log, "a hint")
    lines = log.file.getvalue().splitlines()  # type: ignore[attr-defined]  # a StringIO
    assert [line.partition(":")[0] for line in lines] == ["a-book/stamp", "atlas/stamp"]


def test_plain_lines_say_once_that_no_worker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("producer.watch.screen.time", SimpleNamespace(monotonic=lambda: now))
    said: list[str] = []
    lines = PlainLines(said.append)
    for alive in (0, 1, 0):
        for _ in range(30):
            lines.show(Snapshot((stage_snapshot(),), workers=Workers(alive=alive, asked=True)))
            now += 1
    assert [line for line in said if "worker" in line] == [NO_WORKER] * 2


def test_plain_lines_of_a_run_say_nothing_of_workers_that_are_still_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("producer.watch.screen.time", SimpleNamespace(monotonic=lambda: now))
    said: list[str] = []
    lines = PlainLines(said.append, own_workers=True)
    for _ in range(2):
        lines.show(Snapshot((stage_snapshot(),), workers=Workers(asked=True)))
        now += 30
    assert len(said) == 1


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["watch", *arguments], catch_exceptions=False)


def test_once_prints_the_state_and_ends(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    fake.complete(1)
    done = run("--once")
    assert done.exit_code == 0
    assert "a-book/stamp: 1 of 5 pages complete" in done.stdout
    assert "worker@here  idle" in done.stdout
    assert "a-book/stamp: 1 of 5" in run(SCAN, "--once").stdout


def test_until_done_ends_when_nothing_is_under_way(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--until-done").exit_code == 0
    fake.ask_for((1, 3), total_pages=3)
    left = [1, 2, 3]
    clock = SimpleNamespace(monotonic=monotonic, sleep=lambda _: fake.complete(left.pop()))
    monkeypatch.setattr("producer.watch.screen.time", clock)
    done = run("--until-done")
    assert done.exit_code == 0
    assert left == []
    first, *_, last = done.stdout.splitlines()
    assert first == "a-book/stamp: 0 of 3 pages complete  $0.00"
    assert last == "a-book/stamp: 3 of 3 pages complete  completed  $0.00"
    assert "\x1b" not in done.stdout


@pytest.mark.usefixtures("fake")
def test_an_unknown_scan_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="there is no scan 'no-such-book'"):
        run("no-such-book")


def test_ctrl_c_ends_the_view_with_130_and_one_line(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.ask_for((1, 5))

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("producer.watch.screen.time", SimpleNamespace(monotonic=monotonic, sleep=interrupt))
    done = run(SCAN)
    assert done.exit_code == 130
    assert done.stderr == "Stopped watching; the workers keep running. To watch again: producer watch a-book\n"

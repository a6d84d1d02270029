"""`producer logs`: which lines it shows, how it follows new ones, and when it ends."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from checkpointing.status import Status
from producer.cli import app
from producer.logs import log_files
from producer.logs.log_files import LogFiles, follow_lines, nothing_is_left
from producer.logs.log_lines import LineFilter
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment
from tests.support.waiting import wait_until
from worker.telemetry.logs import note_for_scan

RUN, OTHER_RUN = "a" * 32, "b" * 32


@pytest.fixture
def fake(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    monkeypatch.setattr(log_files, "_POLL_SECONDS", 0.01)
    return fake


def note(fake: FakeDeployment, message: str, **fields: Any) -> None:
    note_for_scan(fake.root, SCAN, STAGE, message, **fields)


def logs(*arguments: str, expect: int = 0) -> list[str]:
    done = CliRunner().invoke(app, ["logs", SCAN, *arguments])
    assert done.exit_code == expect, done.output
    return done.stdout.splitlines()


def test_lines_are_shown_in_order(fake: FakeDeployment) -> None:
    note(fake, "first", page=1, run=RUN)
    note(fake, "second", page=2)
    first, second = logs()
    assert re.fullmatch(rf"\S+ \S+  info     {STAGE}  page 1  first  run=aaaaaaaa worker=\S+", first)
    assert "second" in second


def test_options_select_lines(fake: FakeDeployment) -> None:
    note(fake, "first", page=1, run=RUN)
    note(fake, "second", page=2, run=OTHER_RUN)
    note(fake, "commit", runs=[RUN, OTHER_RUN])
    assert len(logs("--stage", STAGE)) == 3
    (line,) = logs("--page", "2")
    assert "second" in line
    assert ["first" in line or "commit" in line for line in logs("--run", "aaaa")] == [True, True]
    assert logs("--level", "error") == []
    assert len(logs("--since", "1h")) == 3
    assert logs("--since", "2999-01-01") == []


def test_json_prints_the_lines_of_the_files(fake: FakeDeployment) -> None:
    note(fake, "first", page=1, error="x\ny")
    (path,) = (fake.root / SCAN / "logs").iterdir()
    assert logs("--json") == path.read_text().splitlines()
    assert json.loads(logs("--json")[0])["error"] == "x\ny"


def test_without_matching_lines_a_note_says_so(fake: FakeDeployment) -> None:
    done = CliRunner().invoke(app, ["logs", SCAN])
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"{SCAN}: no matching lines in its logs\n"
    assert not (fake.root / SCAN / "logs").exists()


def test_skipped_lines_are_counted_on_stderr(fake: FakeDeployment) -> None:
    note(fake, "first")
    (path,) = (fake.root / SCAN / "logs").iterdir()
    path.write_bytes(path.read_bytes() + b"\x1b[2J torn")
    done = CliRunner().invoke(app, ["logs", SCAN])
    assert "first" in done.stdout
    assert done.stderr == "1 line was skipped: incomplete, or not written by Leafmark\n"


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["logs", "a-bok"], 4, "did you mean 'a-book'"),
        (["logs", "../x"], 3, "scan id"),
        (["logs", SCAN, "--stage", "nonsense"], 4, "nonsense"),
        (["logs", SCAN, "--level", "loud"], 2, "use debug, info"),
        (["logs", SCAN, "--run", "x"], 2, "is not the id of a run"),
        (["logs", SCAN, "--since", "soon"], 2, "use a duration"),
        (["logs", SCAN, "--pages", "2-1"], 2, "is not a list of pages"),
        (["logs", SCAN, "--pages", "3", "--page", "3"], 2, "use one of them"),
        (["logs", SCAN, "--pages", "999"], 4, "there is no page 999"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_an_invalid_option_is_an_error(arguments: list[str], code: int, why: str) -> None:
    failed = CliRunner().invoke(app, arguments).exception
    assert getattr(failed, "exit_code", None) == code
    assert why in str(failed)


@pytest.fixture
def followed(fake: FakeDeployment) -> Iterator[tuple[list[str], threading.Event]]:
    """What a follower shows, and what ends it."""
    shown: list[str] = []
    done = threading.Event()
    files = LogFiles(fake.root / SCAN / "logs")
    show: Callable[..., None] = lambda line: shown.append(line.message)  # noqa: E731  # its type is wanted
    thread = threading.Thread(target=follow_lines, args=(files, LineFilter(), show, done.is_set, bool))
    thread.start()
    yield shown, done
    done.set()
    thread.join(10)


def test_new_lines_and_new_files_are_shown(
    fake: FakeDeployment, followed: tuple[list[str], threading.Event]
) -> None:
    shown, done = followed
    folder = fake.root / SCAN / "logs"
    note(fake, "first")
    wait_until(lambda: shown == ["first"], 10, "the first line")
    (path,) = folder.iterdir()
    line = path.read_bytes().replace(b"first", b"second")
    with path.open("ab", buffering=0) as file:
        file.write(line[:30])
        (folder / f"{STAGE}_other-host-1.jsonl").write_bytes(line.replace(b"second", b"of a new file"))
        wait_until(lambda: len(shown) == 2, 10, "the new file")
        file.write(line[30:])
    wait_until(lambda: shown == ["first", "of a new file", "second"], 10, "the line that was half written")
    note(fake, "the last one")
    done.set()
    wait_until(lambda: shown[-1] == "the last one", 10, "the line that was there at the end")


def test_until_done_ends_when_the_stage_ends(fake: FakeDeployment) -> None:
    fake.ask_for((1, 1))
    assert not nothing_is_left(fake.another_process().store, SCAN, [STAGE])
    assert nothing_is_left(fake.another_process().store, SCAN, [])
    fake.process(1)
    fake.commit()
    assert nothing_is_left(fake.another_process().store, SCAN, [STAGE])
    note(fake, "all done")
    assert "all done" in logs("--stage", STAGE, "--until-done")[-1]


def test_a_paused_or_cancelled_stage_has_nothing_under_way(fake: FakeDeployment) -> None:
    fake.ask_for((1, 3))
    file = fake.parts.store.checkpoint_file(REF)
    with file.exclusive() as checkpoint:
        assert checkpoint.pause("no money")
        file.save(checkpoint)
    assert checkpoint.status is Status.PAUSED
    assert nothing_is_left(fake.another_process().store, SCAN, [STAGE])
    fake.open_stages.remove(REF)
    assert nothing_is_left(fake.another_process().store, SCAN, [STAGE])


def test_ctrl_c_ends_following_with_130(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    note(fake, "first")
    sleep = time.sleep

    def interrupt(seconds: float) -> None:
        # Keepers of claims that other tests left in this process sleep as well.
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        sleep(seconds)

    monkeypatch.setattr("producer.logs.log_files.time.sleep", interrupt)
    assert "first" in logs("--follow", expect=130)[0]

"""`producer run`: one command does a whole book, goes on after any end, and leaves nothing running."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from sample import small_page, write_image_folder
from tests.support.deployment import PRODUCER, Deployment, Process, deployment_in
from tests.support.waiting import HANG_SECONDS

PAGES = 16
SCAN = "slips"
UNUSED_URL = "redis://127.0.0.1:1/0"
GONE_SECONDS = 30
# A page that was in the hands of a killed worker is free again sooner than by default.
IMPATIENT = {"LEAFMARK_CLAIM_SECONDS": "2", "LEAFMARK_HEAL_SECONDS": "0.3"}


@pytest.fixture(scope="module")
def slips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book") / SCAN
    return write_image_folder(folder, [small_page(number) for number in range(1, PAGES + 1)])


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Deployment]:
    """A machine where no broker runs; whatever a failed test leaves running there is ended."""
    with deployment_in(tmp_path, UNUSED_URL) as made:
        try:
            yield made
        finally:
            for process in _running(made):
                with suppress(psutil.NoSuchProcess):
                    process.kill()


def _running(machine: Deployment, words: str = "") -> list[psutil.Process]:
    """The processes that name this storage root (Valkey only as its folder), and whose command has `words`."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            command = process.cmdline()
            traces = (process.cwd(), *command, *process.environ().values())
            if any(str(machine.root) in trace for trace in traces) and words in " ".join(command):
                found.append(process)
    return found


def _oldest(machine: Deployment, words: str) -> psutil.Process:
    """The one that the others with such a command were forked from."""
    return min(_running(machine, words), key=psutil.Process.create_time)


def _broker_url(machine: Deployment) -> str:
    return (machine.root / ".leafmark" / "run.lock").read_text()


def _has_broker(machine: Deployment) -> bool:
    lock = machine.root / ".leafmark" / "run.lock"
    return lock.exists() and "://" in lock.read_text()


def _insist_that_nothing_runs(machine: Deployment, broker_url: str) -> None:
    assert [process.cmdline() for process in _running(machine)] == []
    with Redis.from_url(broker_url) as redis, pytest.raises(RedisConnectionError):
        redis.ping()


def _start(machine: Deployment, source: Path, *before: str) -> Process:
    return machine.start([*before, *PRODUCER, "run", str(source), "--workers", "1"], **IMPATIENT)


def test_a_book_is_done_with_a_view_and_nothing_is_left_running_or_to_do(machine: Deployment, slips: Path) -> None:
    said, shown = _run_on_a_terminal(machine, slips)
    first, speed, where, *_ = said.splitlines()
    assert first == f"{SCAN}/ocr: {PAGES} of {PAGES} pages complete"
    assert re.fullmatch(
        rf"This run: {PAGES} pages in [\d.]+ s \([\d.]+ pages/s\); cost over all runs: \$0.00", speed
    )
    assert where == f"Outputs: {machine.root / SCAN / 'ocr'}"
    assert re.search(rf"━+ {PAGES}/{PAGES} pages +completed", shown)
    assert re.search(rf"{SCAN}/ocr: {PAGES} of {PAGES} pages complete +completed", shown)
    assert "Warning" not in shown
    assert machine.checkpoint(SCAN)["status"] == "completed"
    assert machine.pages_done_in_logs(SCAN) == list(range(1, PAGES + 1))
    url = _broker_url(machine)
    _insist_that_nothing_runs(machine, url)

    before = machine.outputs(SCAN)
    again = machine.producer("run", slips, "--workers", "2")
    assert again.stdout == f"{SCAN}/ocr: all {PAGES} pages are complete, nothing to do\n"
    assert "Starting" not in again.stderr
    assert _broker_url(machine) == url
    assert machine.outputs(SCAN) == before


def _run_on_a_terminal(machine: Deployment, source: Path) -> tuple[str, str]:
    """A run to its end: its stdout, and what a terminal shows, without the control sequences.

    It is started as it is installed, in a folder of modules that must not be imported.
    """
    folder = machine.root.parent / "foreign"
    folder.mkdir()
    for name in ("worker", "producer", "checkpointing", "celery", "redis", "structlog", "rapidocr", "logging"):
        (folder / f"{name}.py").write_text("import os; open('ran', 'w').close(); os._exit(99)\n")
    ours, terminal = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as reader:
        run = subprocess.Popen(
            [str(Path(sys.executable).with_name("producer")), "run", str(source), "--workers", "2"],
            cwd=folder,
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=terminal,
            env={**machine.environment, "TERM": "xterm", "CI": "", "NO_COLOR": ""},
            start_new_session=True,
        )
        os.close(terminal)
        shown = b""
        # Linux says EIO where the other end of a terminal is closed, others say end of file.
        with suppress(OSError):
            while part := reader.read(4096):
                shown += part
    said, _ = run.communicate(timeout=HANG_SECONDS)
    assert run.returncode == 0, shown
    assert not (folder / "ran").exists()
    return said.decode(), re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", shown.decode())


def test_an_interrupted_run_says_how_to_go_on_and_the_next_one_does(machine: Deployment, slips: Path) -> None:
    kept: dict[int, tuple[int, bytes]] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        run = _start(machine, slips)
        if number is signal.SIGINT:
            # Before the first page: a command takes as long as many pages.
            machine.wait(lambda: _has_broker(machine), 60, "the broker")
            _insist_that_a_second_run_is_refused(machine, slips, _broker_url(machine))
        machine.wait_for_pages(SCAN, len(kept) + 2)
        url = _broker_url(machine)
        # As a terminal does it: to the whole process group.
        os.killpg(run.pid, number)
        assert machine.wait_for_exit(run) == 130, machine.logs()
        _insist_that_nothing_runs(machine, url)
        outputs = machine.outputs(SCAN)
        assert set(outputs) == machine.completed(SCAN)
        assert len(kept) + 2 <= len(outputs) < PAGES
        again = f"To continue: producer run {SCAN} --workers 1\n"
        assert f"Stopped: {len(outputs)} of {PAGES} pages complete. {again}" in machine.logs()
        assert {page: outputs[page] for page in kept} == kept
        if kept:
            assert f"Resuming: {len(kept)} of {PAGES} pages complete" in machine.logs()
        kept = outputs
    assert machine.pages_done_in_logs(SCAN) == sorted(kept)


def _insist_that_a_second_run_is_refused(machine: Deployment, source: Path, url: str) -> None:
    refused = machine.producer("run", source, expect=5)
    lines = [line for line in refused.stderr.splitlines() if line.startswith("producer: ")]
    assert len(lines) == 1
    assert f"LEAFMARK_REDIS_URL={url} " in lines[0]
    with Redis.from_url(url) as redis:
        assert redis.ping()


def test_interrupted_while_it_starts_it_stops_as_well(machine: Deployment, slips: Path) -> None:
    run = _start(machine, slips)
    machine.wait(lambda: _running(machine, "producer.run.supervisor"), 30, "the start")
    os.killpg(run.pid, signal.SIGINT)
    assert machine.wait_for_exit(run) == 130, machine.logs()
    assert "To continue: producer run" in machine.logs()
    assert _running(machine) == []


def test_killed_runs_and_brokers_and_workers_cost_no_page_and_repeat_none(machine: Deployment, slips: Path) -> None:
    killed = _start(machine, slips)
    machine.wait_for_pages(SCAN, 1)
    machine.kill(killed)
    left_behind = {process for process in _running(machine) if "producer.run.supervisor" not in process.cmdline()}
    assert left_behind

    # At once again, and so that it outlives its starter.
    shell = _start(machine, slips, "/bin/sh", "-c", 'nohup "$@"; :', "sh")
    machine.wait(lambda: "Resuming: " in machine.logs(), GONE_SECONDS, "the next run")
    # Whoever started those may take a moment longer to end itself.
    assert left_behind.isdisjoint(_running(machine)), "two sets of workers at once"
    kept = machine.outputs(SCAN)
    os.kill(shell.pid, signal.SIGKILL)
    _oldest(machine, "valkey-server").kill()
    url = _broker_url(machine)
    machine.wait_for_pages(SCAN, len(kept) + 2)
    _oldest(machine, "producer.run.embedded_worker").kill()
    assert len(machine.outputs(SCAN)) < PAGES

    machine.wait_for_status(SCAN, "completed")
    machine.wait(lambda: not _running(machine), GONE_SECONDS, "the end of the run")
    _insist_that_nothing_runs(machine, url)
    assert f"{SCAN}/ocr: {PAGES} of {PAGES} pages complete" in machine.logs()
    assert "━" not in machine.logs(), "a log gets plain lines"
    outputs = machine.outputs(SCAN)
    assert {page: outputs[page] for page in kept} == kept
    assert machine.pages_done_in_logs(SCAN) == list(range(1, PAGES + 1))


@pytest.mark.parametrize(
    "victims",
    [
        ["/bin/sh"],
        ["-m producer.cli"],
        ["-m producer.run.supervisor"],
        ["-m producer.cli", "-m producer.run.supervisor"],
    ],
    ids=" ".join,
)
def test_whichever_is_killed_the_others_end_by_themselves(
    machine: Deployment, slips: Path, victims: list[str]
) -> None:
    # `:` keeps the shell from becoming the command.
    _start(machine, slips, "/bin/sh", "-c", '"$@"; :', "sh")
    machine.wait(lambda: "pages complete" in machine.logs(), GONE_SECONDS, "the beginning of the work")
    url = _broker_url(machine)
    killed = [
        next(process for process in _running(machine, victim) if victim in " ".join(process.cmdline()[:3]))
        for victim in victims
    ]
    for process in killed:
        process.suspend()
    for process in killed:
        process.kill()
    machine.wait(lambda: not _running(machine), GONE_SECONDS, "the end of everything that was started")
    _insist_that_nothing_runs(machine, url)
    if victims == ["/bin/sh"]:
        assert f"To continue: producer run {SCAN} --workers 1" in machine.logs()
    if victims == ["-m producer.run.supervisor"]:
        assert "producer: the workers of this run were killed by signal 9" in machine.logs()


def test_a_damaged_page_is_quarantined_and_a_worker_of_its_stage_may_retry_it(
    deployment: Deployment, slips: Path, tmp_path: Path
) -> None:
    book = tmp_path / "damaged"
    book.mkdir()
    for page in (1, 2, 3):
        scan = (slips / f"page_{page}.png").read_bytes()
        (book / f"page_{page}.png").write_bytes(scan[: len(scan) // 2] if page == 2 else scan)

    done = deployment.producer("run", book, "--workers", "1", expect=8)
    assert "damaged/ocr: 2 of 3 pages complete, 1 quarantined" in done.stdout
    assert "`producer status damaged` shows the reasons" in done.stderr.splitlines()[-1]
    assert deployment.completed("damaged") == {1, 3}
    status = deployment.producer("status", "damaged").stdout
    assert re.search(r"page 2: .+ \(damaged_page, 1 attempt\)", status)

    before = deployment.outputs("damaged")
    deployment.start_worker(1, "-Q", "ocr")
    again = deployment.producer("retry", "damaged", "--wait", expect=8)
    assert again.stdout == "damaged/ocr: 1 page enqueued\n"
    assert deployment.outputs("damaged") == before
    assert [failed["page"] for failed in deployment.checkpoint("damaged")["failed_pages"]] == [2]

"""Verify, repair, reset and retry by the real command line, with a real worker beside them."""

import json
import os
import pty
import subprocess

import pytest

from checkpointing.status import Status
from tests.support.deployment import WORKLOAD_PRODUCER, Deployment, Process
from tests.support.fake_deployment import Files, files_under, write_scan, write_source
from tests.support.waiting import HANG_SECONDS, exit_code_of

SCAN = "slips"
PAGES = 12
CLOSED_PORT = "redis://127.0.0.1:1/0"


@pytest.fixture
def fake(workload: Deployment) -> Deployment:
    """A book, whole and not begun."""
    write_source(write_scan(workload.root, SCAN, PAGES))
    return workload


def start(fake: Deployment, **environment: str) -> Process:
    worker = fake.start_worker(**environment)
    fake.wait_until_ready()
    return worker


def _all_files(fake: Deployment) -> Files:
    """Everything in the storage root, without what the beat of a worker changes."""
    beats = {".leafmark", ".leafmark/deployment.json"}
    return {name: file for name, file in files_under(fake.root).items() if name not in beats}


def files_of_stage(fake: Deployment) -> list[Files]:
    return [files_under(fake.root / SCAN / name) for name in ("work", "checkpoints")]


def test_damage_is_found_and_mended(fake: Deployment) -> None:
    assert (
        fake.producer("verify", SCAN).stdout == f"{SCAN}: the source has no differences, and no stage has begun\n"
    )
    fake.producer("enqueue", SCAN, "--stage", "work")
    worker = start(fake, WORK_SECONDS="0.02")
    # In mid-book, with completions on their way: nothing of that is a difference.
    for _ in range(2):
        assert "no differences" in fake.producer("verify", SCAN, "--stage", "work").stdout
    fake.wait_for_status(SCAN, Status.COMPLETED)
    assert fake.producer("verify", SCAN).stdout == f"{SCAN}/work: {PAGES} pages checked, no differences\n"

    open_stages = fake.root / ".leafmark" / "open"
    fake.wait(lambda: not any(open_stages.iterdir()), 30, "the reconciler to close the stage")
    outputs = fake.root / SCAN / "work"
    (outputs / "page_0003.json").unlink()
    (outputs / "page_0005.json").write_bytes((outputs / "page_0006.json").read_bytes())
    (outputs / "page_0007.json").write_bytes(b'{"page_number": 7, "te')
    before = _all_files(fake)
    done = fake.producer("verify", SCAN, expect=10, LEAFMARK_REDIS_URL=CLOSED_PORT)
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [f"{SCAN}/work page {n}" for n in (3, 5, 7)]
    assert done.stderr == (
        f"producer: {SCAN}: 3 differences found; `producer verify {SCAN} --repair` repairs 3 of them\n"
    )
    form = json.loads(fake.producer("verify", SCAN, "--json", expect=10).stdout)
    assert [(each["page"], each["kind"]) for each in form["findings"]] == [
        (3, "missing"),
        (5, "invalid"),
        (7, "unreadable"),
    ]
    assert form["clean"] is False
    down = fake.producer("verify", SCAN, "--repair", expect=6, LEAFMARK_REDIS_URL=CLOSED_PORT)
    assert "Redis does not answer" in down.stderr
    assert _all_files(fake) == before

    untouched = {path: path.stat().st_mtime_ns for path in outputs.glob("page_*.json")}
    assert "3 differences repaired, 3 pages enqueued" in fake.producer("verify", SCAN, "--repair").stdout
    fake.wait_for_status(SCAN, Status.COMPLETED)
    assert (
        fake.producer("verify", SCAN, "--repair").stdout == f"{SCAN}/work: {PAGES} pages checked, no differences\n"
    )
    changed = {path.name for path, moment in untouched.items() if path.stat().st_mtime_ns != moment}
    assert changed == {"page_0005.json", "page_0007.json"}
    fake.kill(worker)


def test_a_stage_is_reset_and_done_anew(fake: Deployment) -> None:
    fake.producer("enqueue", SCAN, "--stage", "work")
    start(fake)
    fake.wait_for_status(SCAN, Status.COMPLETED)
    before = files_of_stage(fake)
    unasked = fake.producer("reset", SCAN, "--stage", "work", expect=2)
    assert unasked.stderr.startswith("producer: reset asks for confirmation")
    assert "--yes" in unasked.stderr
    assert len(unasked.stderr.splitlines()) == 1
    down = fake.producer("reset", SCAN, "--stage", "work", "--yes", expect=6, LEAFMARK_REDIS_URL=CLOSED_PORT)
    assert len(down.stderr.splitlines()) == 1
    assert "missing option" in fake.producer("reset", SCAN, expect=2).stderr
    assert files_of_stage(fake) == before

    done = fake.producer("reset", SCAN, "--stage", "work", "--yes")
    assert done.stdout.startswith(f"{SCAN}/work: {PAGES} complete pages reset, {PAGES} outputs are kept in ")
    assert fake.checkpoint(SCAN)["status"] == Status.NOT_STARTED
    assert "nothing to reset" in fake.producer("reset", SCAN, "--stage", "work").stdout
    assert "no differences" in fake.producer("verify", SCAN, "--stage", "work").stdout
    fake.producer("enqueue", SCAN, "--stage", "work")
    fake.wait_for_status(SCAN, Status.COMPLETED)


def test_a_stage_whose_pages_are_in_hand_is_not_reset(fake: Deployment) -> None:
    fake.producer("enqueue", SCAN, "--stage", "work")
    worker = start(fake, WORK_SECONDS="60")
    fake.wait(lambda: fake.redis.keys("*claim:*"), 30, "a page to be begun")
    done = fake.producer("reset", SCAN, "--stage", "work", "--yes", expect=9)
    assert "workers have pages in hand" in done.stderr
    assert fake.checkpoint(SCAN)["status"] == Status.IN_PROGRESS
    fake.kill(worker)


def test_on_a_terminal_it_asks(fake: Deployment) -> None:
    fake.producer("enqueue", SCAN, "--stage", "work")
    before = _all_files(fake)
    ours, theirs = pty.openpty()
    os.write(ours, b"no\n")
    process = subprocess.run(
        [*WORKLOAD_PRODUCER, "reset", SCAN, "--stage", "work"],
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        env=fake.environment,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 2
    assert "Type yes to continue: " in process.stderr
    assert process.stderr.endswith("producer: not confirmed, nothing was changed\n")
    assert _all_files(fake) == before


def test_pages_are_tried_again_by_the_reason_they_were_given_up_for(fake: Deployment) -> None:
    fake.producer("enqueue", SCAN, "--stage", "work")
    worker = start(fake, WORK_TROUBLE='{"3": "error", "5": "error"}', LEAFMARK_MAX_ATTEMPTS="1")
    fake.wait_for_status(SCAN, Status.FAILED)
    unknown = fake.producer("retry", SCAN, "--stage", "work", "--reason", "timeout", expect=4)
    assert unknown.stderr == ("producer: no page is in quarantine for 'timeout'; existing reasons: error (2)\n")
    none = fake.producer("retry", SCAN, "--stage", "work", "--reason", "error", "--pages", "1-2")
    assert "nothing to do" in none.stdout
    worker.terminate()
    exit_code_of(worker)
    start(fake)
    done = fake.producer("retry", SCAN, "--stage", "work", "--reason", "error", "--pages", "1-3")
    assert "1 page enqueued" in done.stdout
    fake.wait(lambda: 3 in fake.checkpoint(SCAN)["completed_pages"], 60, "page 3 to be complete")
    assert [failed["page"] for failed in fake.checkpoint(SCAN)["failed_pages"]] == [5]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["verify", "slip"], 4, "did you mean 'slips'?"),
        (["verify", SCAN, "--stage", "polish"], 4, "there is no stage 'polish'; stages: ocr"),
        (["reset", "../slips", "--stage", "work", "--yes"], 3, "is not a scan id"),
        (["reset", SCAN, "--stage", "polish", "--yes"], 4, "there is no stage 'polish'; stages: ocr"),
    ],
)
def test_what_does_not_exist(fake: Deployment, arguments: list[str], code: int, words: str) -> None:
    done = fake.producer(*arguments, expect=code)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr

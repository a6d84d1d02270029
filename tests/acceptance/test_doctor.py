"""`producer doctor` and real workers: it finds them, and whether they see the same folder."""

import json
import signal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.support.deployment import Deployment
from tests.support.fake_deployment import write_scan
from tests.support.waiting import exit_code_of
from worker.storage.root_marker import library_at

AREAS = "settings,storage,leftovers,redis,workers,models"


def doctor(deployment: Deployment, *arguments: str, expect: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(deployment.producer("doctor", "--json", *arguments, expect=expect).stdout)
    return found


def test_workers_are_asked_before_there_is_a_book_and_nothing_is_written(workload: Deployment) -> None:
    workload.start_worker(1, "-Q", "work")
    workload.wait_until_ready()
    found = doctor(workload, "--only", "workers")
    assert (found["problems"], of(found, "same_storage")) == (0, [])
    assert of(found, "alive")[0]["level"] == "ok"
    assert list(workload.root.iterdir()) == []


def of(found: dict[str, Any], name: str) -> list[dict[str, str]]:
    return [check for check in found["checks"] if check["name"] == name]


def test_the_doctor_finds_workers_and_whether_they_see_the_same_folder(
    workload: Deployment, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    for root in (workload.root, elsewhere):
        library_at(root).make()
    workers = [
        workload.start_worker(2, "-Q", "work"),
        workload.start_worker(1, "-Q", "work", LEAFMARK_STORAGE_ROOT=str(elsewhere), LEAFMARK_MAX_ATTEMPTS="7"),
    ]
    workload.wait_until_ready()

    found = doctor(workload, "--only", AREAS, expect=12)
    here, there = sorted(of(found, "same_storage"), key=lambda check: check["what"])
    assert here["what"].startswith("w0@")
    assert (here["level"], there["level"]) == ("ok", "problem")
    assert str(elsewhere) in there["what"]
    versions = of(found, "version")
    assert [check["level"] for check in versions] == ["ok", "ok"]
    assert f"leafmark {version('leafmark')}, Python 3." in versions[0]["what"]
    assert "2 pages at once of work" in versions[0]["what"]
    (differs,) = of(found, "settings")
    assert "max_attempts = 7, here it is 3" in differs["what"]
    assert [path for path in (workload.root / ".leafmark").iterdir() if path.name.startswith("doctor")] == []

    workers[1].send_signal(signal.SIGTERM)
    exit_code_of(workers[1])
    healthy = doctor(workload, "--only", AREAS)
    assert (healthy["problems"], of(healthy, "alive")[0]["what"].partition("@")[0]) == (0, "1 worker answers: w0")

    workers[0].send_signal(signal.SIGTERM)
    exit_code_of(workers[0])
    write_scan(workload.root, "a-book", 3)
    workload.producer("enqueue", "a-book", "--stage", "work")
    shown = workload.producer("doctor", "--only", "redis,workers", "--quiet", expect=12)
    (line,) = shown.stdout.splitlines()
    assert line.startswith("problem  workers: no worker answers")
    assert line.endswith("start one: producer worker")
    assert shown.stderr == "producer: 1 problem and 0 warnings; each line says what to do\n"

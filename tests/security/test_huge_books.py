"""Numbers that no book has: they must not keep a command busy for ever, nor take all memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from producer.run.embedded_broker import EmbeddedBroker
from tests.support.deployment import Finished
from tests.support.fake_deployment import write_scan
from tests.support.waiting import HANG_SECONDS
from worker.pages.scan import ScanFolder

BEYOND_ALL = 10**12
MAX_MEMORY = 3 << 29

HEAD = {"version": "2.0", "scan_id": "a-book", "stage": "ocr", "output_dir": "ocr", "total_pages": 3}


@pytest.fixture
def scan(tmp_path: Path) -> ScanFolder:
    return write_scan(tmp_path / "scans", "a-book", 3)


def _run(scan: ScanFolder, broker: EmbeddedBroker, *arguments: str) -> Finished:
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({MAX_MEMORY}, {MAX_MEMORY}))"
    command = [sys.executable, "-c", f"{limited}; from producer.cli import main; main()", *arguments]
    environment = {"LEAFMARK_STORAGE_ROOT": str(scan.root), "LEAFMARK_REDIS_URL": broker.url}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=HANG_SECONDS, env=environment, check=False
    )


def test_a_book_of_too_many_pages_is_no_book(scan: ScanFolder, broker: EmbeddedBroker) -> None:
    metadata = json.loads(scan.metadata_path.read_bytes())
    metadata["total_pages"] = metadata["source"]["files"][0]["pages"] = BEYOND_ALL
    scan.metadata_path.write_text(json.dumps(metadata))
    done = _run(scan, broker, "enqueue", scan.scan_id, "--dry-run")
    assert done.returncode == 3, done.stderr
    assert "is broken" in done.stderr


def test_a_checkpoint_that_asks_for_too_many_pages_is_unusable(scan: ScanFolder, broker: EmbeddedBroker) -> None:
    path = scan.checkpoint_path("ocr")
    path.parent.mkdir()
    asked = {"requested": [[1, BEYOND_ALL]], "completed_pages": [], "status": "in_progress"}
    path.write_text(
        json.dumps({"version": "2.0", "scan_id": "a-book", "stage": "ocr", "output_dir": "ocr", **asked})
    )
    done = _run(scan, broker, "enqueue", scan.scan_id)
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_bytes())["requested"] == [[1, 3]]


def test_what_a_checkpoint_says_cannot_steer_the_terminal(scan: ScanFolder, broker: EmbeddedBroker) -> None:
    path = scan.checkpoint_path("ocr")
    path.parent.mkdir()
    failed = {"page": 1, "kind": "\x1b[31m", "message": "\x1b]0;a title\x07", "failed_at": "2026-01-01T00:00:00Z"}
    stands = {"status": "failed", "error": "\x1b[32m", "completed_pages": [], "failed_pages": [failed]}
    path.write_text(json.dumps(HEAD | stands))
    done = _run(scan, broker, "status", scan.scan_id)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr

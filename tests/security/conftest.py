"""A real worker with the stage `work`, and the command line that goes with it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deployment import Deployment, Finished, Process
from tests.support.fake_deployment import write_scan
from tests.support.waiting import HANG_SECONDS

STAGE = "work"
SCAN = "a-book"
PAGES = 500
_MODULE = "tests.support.workload"


class Site:
    """A deployment whose worker and commands know the stage `work`."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.root = deployment.root
        self.redis = deployment.redis
        self.queue = deployment.keys.queue(STAGE)

    def run(self, *arguments: str, **environment: str) -> Finished:
        """Run a producer command to its end, however it ends."""
        return self._run([sys.executable, "-m", _MODULE, *arguments], environment)

    def try_to_start_worker(self, **environment: str) -> Finished:
        """Run a worker that is expected to refuse to start."""
        # Celery warns those who test as root.
        return self._run(_worker(), {"PYTHONWARNINGS": "ignore", **environment})

    def start_worker(self, **environment: str) -> Process:
        process = self.deployment.start(_worker(), **environment)
        self.deployment.wait_until_ready()
        return process

    def checkpoint_path(self, scan_id: str = SCAN) -> Path:
        return self.root / scan_id / "checkpoints" / f"{STAGE}.json"

    def output_path(self, page: int, scan_id: str = SCAN) -> Path:
        return self.root / scan_id / STAGE / f"page_{page:04d}.json"

    def write_scan(self, scan_id: str = SCAN, pages: int = PAGES) -> None:
        write_scan(self.root, scan_id, pages)

    def _run(self, command: list[str], environment: dict[str, str]) -> Finished:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            env={**self.deployment.environment, **environment},
            check=False,
        )


def _worker() -> list[str]:
    return [sys.executable, "-m", "celery", "-A", _MODULE, "worker", "--concurrency=1", "-Q", STAGE]


@pytest.fixture
def site(deployment: Deployment) -> Site:
    made = Site(deployment)
    made.write_scan()
    return made

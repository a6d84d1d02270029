"""What the benchmarks of stages that ask a model have in common: a provider, and waiting for a stage's end."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.waiting import is_completed, wait_for
from sample.provider import Behaviour
from sample.with_provider import environment
from tests.support.deployment import Deployment


@contextmanager
def provider_process(latency_seconds: float) -> Iterator[dict[str, str]]:
    """A provider for the length of a `with` block, in a process of its own: it shares no interpreter with a worker.

    Yields:
        The settings that point to it.
    """
    command = [sys.executable, "-m", "sample.provider", "--latency", str(latency_seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        if process.stdout is None:
            raise RuntimeError("the provider's output is not piped")
        try:
            yield environment(process.stdout.readline().decode().strip(), Behaviour())
        finally:
            process.terminate()


def wait_until_completed(deployment: Deployment, scan_id: str, stage: str) -> float:
    """Wait for the checkpoint that says `completed`.

    Returns:
        When it was saved, in seconds since the epoch.
    """
    path = deployment.root / scan_id / "checkpoints" / f"{stage}.json"
    wait_for(deployment, lambda: path.exists() and is_completed(path))
    return path.stat().st_mtime

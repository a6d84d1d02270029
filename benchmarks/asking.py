"""What the benchmarks of stages that ask a model have in common: a provider, and waiting for a stage's end."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sample.provider import Behaviour
from sample.with_provider import environment
from tests.deployment import Deployment

_COMPLETED = b'"status":"completed"'
_LOOK_SECONDS = 0.1
_TIMEOUT_SECONDS = 600


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
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while not path.exists() or _COMPLETED not in path.read_bytes():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{stage} was not completed within {_TIMEOUT_SECONDS} s\n{deployment.logs()}")
        # Seldom: on two cores whoever looks takes part.
        time.sleep(_LOOK_SECONDS)
    return path.stat().st_mtime

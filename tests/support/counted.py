"""A fake whose worker counts, and what is scraped of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, values

from tests.support.fake_deployment import STAGE, FakeDeployment, make_fake
from worker.reconciler.process import make_gauges
from worker.telemetry.metrics.events import Metrics, use
from worker.telemetry.metrics.readings import make_registry
from worker.telemetry.metrics.recorder import Recorder


class Counted:
    """A fake, and what is scraped."""

    def __init__(self, fake: FakeDeployment, folder: Path) -> None:
        self.fake = fake
        self.registry: CollectorRegistry = make_registry(folder, make_gauges(fake.settings, fake.redis))

    def value(self, name: str, **labels: str) -> float | None:
        """A series; None where there is none."""
        return self.registry.get_sample_value(name, labels)

    def of_stage(self, name: str, **labels: str) -> float:
        """A series of the fake's stage."""
        return self.value(name, stage=STAGE, **labels) or 0.0


@contextmanager
def counting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    """A fake that counts for the length of a `with` block; nobody does afterwards."""
    figures = folder / "figures"
    figures.mkdir()
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    # The recorder sets it; the end of the test takes that back.
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    fake = make_fake(folder / "scans", monkeypatch, max_attempts=2, claim_seconds=1)
    fake.write_scan()
    use(Recorder(figures))
    try:
        yield Counted(fake, figures)
    finally:
        use(Metrics())

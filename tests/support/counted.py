"""A shop whose worker counts, and what is scraped of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, values

from tests.support.fake_deployment import STAGE, Shop, make_shop
from worker.telemetry.metrics.events import Metrics, use
from worker.telemetry.metrics.exposition import make_registry
from worker.telemetry.metrics.recorder import Recorder


class Counted:
    """A shop, and what is scraped."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop = shop
        self.registry: CollectorRegistry = make_registry(folder, shop.workshop)

    def value(self, name: str, **labels: str) -> float | None:
        """A series; None where there is none."""
        return self.registry.get_sample_value(name, labels)

    def of_stage(self, name: str, **labels: str) -> float:
        """A series of the shop's stage."""
        return self.value(name, stage=STAGE, **labels) or 0.0


@contextmanager
def counting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    """A shop that counts for the length of a `with` block; nobody does afterwards."""
    figures = folder / "figures"
    figures.mkdir()
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    # The recorder sets it; the end of the test takes that back.
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    shop = make_shop(folder / "scans", monkeypatch, max_attempts=2, claim_seconds=1)
    shop.write_scan()
    use(Recorder(figures))
    try:
        yield Counted(shop, figures)
    finally:
        use(Metrics())

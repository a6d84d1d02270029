"""What is scraped: the figures of all processes of a worker, and those of the deployment."""

from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.telemetry.metrics.readings import Readings, impatient


def make_registry(folder: Path, deployment: Deployment) -> CollectorRegistry:
    """Everything that a worker shows.

    Args:
        folder: of the worker's figures.
        deployment: of the deployment, with an impatient client of the broker.
    """
    registry = CollectorRegistry(auto_describe=False)
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # half typed
    registry.register(Readings(deployment))
    return registry


def listen(settings: Settings, folder: Path) -> None:
    """Answer scrapes from now on, in threads of this process.

    Raises:
        OSError: the port is taken, or there is no such address.
    """
    registry = make_registry(folder, Deployment(settings, None, impatient(settings)))
    start_http_server(settings.metrics_port or 0, settings.metrics_host, registry)

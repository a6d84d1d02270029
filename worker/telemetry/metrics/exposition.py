"""The page that Prometheus scrapes: counts of all processes of a worker, and gauges of the deployment."""

from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.telemetry.metrics.readings import Readings, connect_with_short_timeouts


def make_registry(folder: Path, deployment: Deployment) -> CollectorRegistry:
    """Return all metrics of a worker.

    Args:
        folder: folder of the worker's counts.
        deployment: the deployment, with a client that has short timeouts.
    """
    registry = CollectorRegistry(auto_describe=False)
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # half typed
    registry.register(Readings(deployment))
    return registry


def listen(settings: Settings, folder: Path) -> None:
    """Serve metrics from now on, in threads of this process.

    Raises:
        OSError: the port is taken, or this machine does not have the address.
    """
    registry = make_registry(folder, Deployment(settings, None, connect_with_short_timeouts(settings)))
    start_http_server(settings.metrics_port or 0, settings.metrics_host, registry)

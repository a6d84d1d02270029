"""The page that Prometheus scrapes: counts of all processes of a worker, and gauges of the deployment."""

from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from worker.config.settings import Settings


def make_registry(folder: Path, gauges: Collector) -> CollectorRegistry:
    """Return all metrics of a worker.

    Args:
        folder: folder of the worker's counts.
        gauges: those of the deployment.
    """
    registry = CollectorRegistry(auto_describe=False)
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # half typed
    registry.register(gauges)
    return registry


def listen(settings: Settings, registry: CollectorRegistry) -> None:
    """Serve metrics from now on, in threads of this process.

    Raises:
        OSError: the port is taken, or this machine does not have the address.
    """
    start_http_server(settings.metrics_port or 0, settings.metrics_host, registry)

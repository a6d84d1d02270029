"""The gauges that the workers of a deployment serve with their metrics."""

from prometheus_client.registry import Collector
from redis import Redis

from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.telemetry.metrics.readings import Readings, connect_with_short_timeouts


def make_gauges(settings: Settings, redis: Redis | None = None) -> Collector:
    """Return the gauges of a deployment.

    Args:
        settings: settings of the deployment.
        redis: client to use; by default one that gives up early, so that it does not delay a scrape.
    """
    deployment = Deployment(settings, None, redis or connect_with_short_timeouts(settings))

    def budget_of(scan_id: str) -> tuple[float, float] | None:
        budget = deployment.calls.budget(scan_id)
        reading = None if budget is None else deployment.calls.meter(scan_id).read()
        return None if budget is None or reading is None else (float(budget), reading.total.usd)

    return Readings(deployment.store, deployment.queues, budget_of)

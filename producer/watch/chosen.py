"""Which stages are watched. Each choice is asked again and again, for stages begin and end meanwhile."""

from collections.abc import Callable

from producer.planning.request import Plan
from producer.watch.workers import StageKey
from worker.deployment import Deployment
from worker.pipeline.registry import STAGES

Chosen = Callable[[], list[StageKey]]
MOST_STAGES = 24
"""How many are looked at; each is read, and remembered."""


def of_scan(deployment: Deployment, scan_id: str) -> Chosen:
    """The stages of a scan that have begun, in pipeline order; before any has, the first one."""

    def chosen() -> list[StageKey]:
        begun = [name for name in STAGES if deployment.scan(scan_id).checkpoint_path(name).exists()]
        return [(scan_id, name) for name in begun or [next(iter(STAGES))]]

    return chosen


def under_way(deployment: Deployment) -> Chosen:
    """All stages that have work under way; as far as there is room also those that had when they were seen here."""
    seen: dict[StageKey, None] = {}

    def chosen() -> list[StageKey]:
        order = list(STAGES)
        now = sorted(
            ((scan_id, stage) for scan_id, stage in deployment.open_stages.all() if stage in order),
            key=lambda key: (key[0], order.index(key[1])),
        )
        seen.update(dict.fromkeys(now))
        ended = [key for key in seen if key not in now][: max(0, MOST_STAGES - len(now))]
        kept = {*now, *ended}
        scans = dict.fromkeys(scan_id for scan_id, _ in [*now, *ended])
        return [(scan_id, stage) for scan_id in scans for stage in order if (scan_id, stage) in kept]

    return chosen


def of_plans(plans: list[Plan]) -> Chosen:
    """The stages that somebody waits for."""
    return lambda: [(made.scan_id, made.stage) for made in plans]

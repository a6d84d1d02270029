"""The whole examination: one area after the other, so that trouble in one explains that in the next."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from producer.doctor.broker import examine_broker
from producer.doctor.check import Area, Check, Level
from producer.doctor.engines import examine_engines
from producer.doctor.leftovers import examine_leftovers
from producer.doctor.models import examine_models
from producer.doctor.own_settings import examine_settings
from producer.doctor.redis_keys import examine_keys
from producer.doctor.storage import examine_storage
from producer.doctor.workers import examine_workers
from worker.origins import Origins
from worker.workshop import Workshop


def examine(workshop: Workshop, app: Any, origins: Origins, only: Collection[Area] = ()) -> Iterator[Check]:
    """Look at everything, or at some areas only. Nothing is mended; probe files are deleted again.

    Args:
        workshop: the deployment.
        app: its Celery application.
        origins: where the settings come from.
        only: the areas to look at; none: all of them.
    """
    areas: dict[Area, Callable[[], Iterator[Check]]] = {
        Area.SETTINGS: partial(examine_settings, origins),
        Area.STORAGE: partial(examine_storage, workshop.root),
        Area.LEFTOVERS: partial(examine_leftovers, workshop),
        Area.REDIS: partial(_examine_redis, workshop),
        Area.WORKERS: partial(examine_workers, workshop, app),
        Area.ENGINES: partial(examine_engines, workshop.settings),
        Area.MODELS: partial(examine_models, workshop.settings),
    }
    for area, look in areas.items():
        if not only or area in only:
            yield from look()


def _examine_redis(workshop: Workshop) -> Iterator[Check]:
    """The server, and then what Leafmark keeps there, if the server answers."""
    answers = False
    for check in examine_broker(workshop.settings):
        answers = answers or (check.name == "answers" and check.level is not Level.PROBLEM)
        yield check
    if answers:
        yield from examine_keys(workshop)

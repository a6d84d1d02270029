"""Run the checks of all areas, in an order in which a problem in one area explains those in the next."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from producer.doctor.broker import examine_broker
from producer.doctor.check import Area, Check, Level
from producer.doctor.leftovers import examine_leftovers
from producer.doctor.own_settings import examine_settings
from producer.doctor.redis_keys import examine_keys
from producer.doctor.stages import examine_engines, examine_models
from producer.doctor.storage import can_be_made, examine_storage
from producer.doctor.workers import examine_workers
from worker.config.setting_sources import Origins, Source
from worker.queue.client import QueueClient
from worker.storage.book_store import BookStore

_MISSING = {
    Area.STORAGE: "`producer run` and `producer ingest` create it",
    Area.REDIS: "`producer run` starts its own; `producer enqueue` and `producer worker` need one",
    Area.WORKERS: "`producer run` starts its own",
}


def examine(
    store: BookStore,
    queues: QueueClient,
    app: Any,
    origins: Origins,
    only: Collection[Area] = (),
    *,
    strict: bool = False,
) -> Iterator[Check]:
    """Check all areas, or some of them. Nothing is repaired; probe files are deleted again.

    If neither Redis nor the storage root is configured and no page waits, a missing one is a note, not a problem:
    `producer run` needs neither. With `strict` it is a problem.
    """
    areas: dict[Area, Callable[[], Iterator[Check]]] = {
        Area.SETTINGS: partial(examine_settings, origins),
        Area.STORAGE: partial(examine_storage, store.root),
        Area.LEFTOVERS: partial(examine_leftovers, store),
        Area.REDIS: partial(_examine_redis, store, queues),
        Area.WORKERS: partial(examine_workers, store, queues, app),
        Area.ENGINES: partial(examine_engines, store.settings),
        Area.MODELS: partial(examine_models, store.settings),
    }
    optional = () if strict else tuple(_optional_areas(store, origins))
    for area, look in areas.items():
        if not only or area in only:
            yield from _as_notes(look()) if area in optional else look()


def _optional_areas(store: BookStore, origins: Origins) -> Iterator[Area]:
    """Yield the areas that may be missing: they are not configured, and no page waits."""
    if origins.of("storage_root").source is Source.DEFAULT and can_be_made(store.root):
        yield Area.STORAGE
    if origins.of("redis_url").source is Source.DEFAULT and not _pages_are_asked_for(store):
        yield from (Area.REDIS, Area.WORKERS)


def _pages_are_asked_for(store: BookStore) -> bool:
    try:
        return bool(store.open_stages.all())
    except OSError:
        # The area `storage` reports the failure. Pages may wait, so Redis and the workers count as needed.
        return True


def _as_notes(checks: Iterable[Check]) -> Iterator[Check]:
    for check in checks:
        yield replace(check, level=Level.NOTE, then=_MISSING[check.area]) if check.level is Level.PROBLEM else check


def _examine_redis(store: BookStore, queues: QueueClient) -> Iterator[Check]:
    """Check the server, and if it answers, the keys that Leafmark has there."""
    answers = False
    for check in examine_broker(store.settings):
        answers = answers or (check.name == "answers" and check.level is not Level.PROBLEM)
        yield check
    if answers:
        yield from examine_keys(store, queues)

"""What Leafmark keeps in Redis: is each key of its type, and does every inbox get committed."""

from collections.abc import Iterator
from functools import partial

from redis.exceptions import RedisError

from checkpointing.errors import LeafmarkError, in_one_line
from checkpointing.key_types import find_wrong_types
from producer.doctor.check import Area, Check, Reporter
from worker.queue.client import QueueClient
from worker.stages.registry import STAGES
from worker.storage.book_store import BookStore
from worker.storage.root_owner import find_at_work, in_use, is_deployment_of

# A commit comes within a second of its completions, or within ten times as long as the last one took.
MAX_INBOX_SECONDS = 60.0
_MAX_NAMED = 5
_report = Reporter(Area.REDIS)


def examine_keys(store: BookStore, queues: QueueClient) -> Iterator[Check]:
    """Look at Leafmark's keys. Changes nothing. Nothing is reported where Redis does not answer."""
    try:
        yield from _check_types(store, queues)
        yield from _check_inboxes(store, queues)
        yield from _check_deployment(store, queues)
    except (RedisError, OSError, LeafmarkError) as error:
        yield _report.warning(
            "keys",
            f"Leafmark's keys cannot be looked at ({in_one_line(str(error))})",
            "see to Redis and storage first",
        )


def _check_types(store: BookStore, queues: QueueClient) -> Iterator[Check]:
    keys = queues.keys
    types = keys.types_of_deployment()
    for stage in STAGES:
        types |= keys.types_of_queue(stage)
    for ref in store.open_stages.all():
        types |= keys.types_of_stage(ref)
        types |= {keys.commit(ref): "string", keys.heal(ref): "string"}
    wrong = find_wrong_types(queues.redis, types)
    if not wrong:
        yield _report.ok("key_types", "its keys are of the types that Leafmark gives them")
        return
    named = [f"{key} is a {kind} and not a {types[key]}" for key, kind in sorted(wrong.items())]
    more = f", and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
    yield _report.problem(
        "key_types",
        f"{'; '.join(named[:_MAX_NAMED])}{more}",
        "a running worker deletes such keys within seconds and goes on; where they come back, another program "
        "writes there: give Leafmark a database of its own, or another LEAFMARK_KEY_PREFIX",
    )


def _check_deployment(store: BookStore, queues: QueueClient) -> Iterator[Check]:
    """Whether the workers that are at work on the storage root are those of this Redis."""
    is_ours = partial(is_deployment_of, queues.redis, queues.keys.deployment)
    at_work = find_at_work(store.root, is_ours)
    if at_work is None or is_ours(at_work):
        yield _report.ok("deployment", "no workers of another Redis are at work on the storage root")
    else:
        yield _report.failed("deployment", in_use(store.root, at_work))


def _check_inboxes(store: BookStore, queues: QueueClient) -> Iterator[Check]:
    seconds, micros = queues.redis.time()
    now_ms = seconds * 1000 + micros // 1000
    late = []
    for ref in store.open_stages.all():
        if ref.stage not in STAGES or find_wrong_types(queues.redis, {queues.keys.inbox(ref): "stream"}):
            continue
        inbox = queues.inbox(ref)
        oldest = inbox.oldest_ms()
        if oldest is not None and now_ms - oldest > MAX_INBOX_SECONDS * 1000:
            late.append((ref, len(inbox), (now_ms - oldest) // 1000))
    for ref, entries, waited in late[:_MAX_NAMED]:
        results = "1 result waits" if entries == 1 else f"{entries} results wait"
        yield _report.problem(
            "inboxes",
            f"{results} in the inbox of {ref}, the oldest for {waited} s, and no worker commits them",
            "start a worker (`celery -A worker worker`), or restart one that runs: it commits within seconds",
        )
    if not late:
        yield _report.ok("inboxes", "every inbox of an open stage is committed in time")

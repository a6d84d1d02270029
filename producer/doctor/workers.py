"""Check the workers: that they answer, have the same version, settings and storage, and serve every stage."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import ResponseError

from checkpointing.errors import BrokerError, StorageError, in_one_line
from checkpointing.plurals import counted
from checkpointing.storage_errors import storage_error
from producer.doctor.asking import Answer, ask_workers, token_file
from producer.doctor.check import Area, Check, Reporter, clock_difference
from producer.planning.able_workers import why_unserved
from worker.preflight import check_broker
from worker.queue.broker_errors import broker_errors
from worker.queue.client import QueueClient
from worker.stages.registry import STAGES, find_stage
from worker.storage.book_store import BookStore
from worker.worker_info import Introduction, introduction

_START = "producer worker"
_report = Reporter(Area.WORKERS)


def examine_workers(store: BookStore, queues: QueueClient, app: Any) -> Iterator[Check]:
    """Check the workers, and the pages that wait for them."""
    try:
        check_broker(store.settings)
        beating, waiting = beats(queues), waiting_pages(store, queues)
        unread = list(_check_dedicated(store, queues))
        with token_file(store.root) as token:
            answers = ask_workers(app, token)
    except broker_errors(BrokerError):
        yield _report.problem(
            "asked", "the workers cannot be asked while Redis is unavailable", "repair Redis first"
        )
        return
    except (OSError, StorageError) as error:
        words = error if isinstance(error, StorageError) else storage_error(error, store.root)
        yield _report.problem("asked", f"the workers cannot be asked: {words}", "repair the storage first")
        return
    yield from judge_workers(answers, len(beating), waiting)
    yield from unread
    for answer in answers:
        if answer.said is not None:
            ours = introduction(store.settings, answer.said.stages, 0, None)
            checks = judge_worker(answer.name, answer.said, ours, answer.ahead_seconds)
            # Without a token file the storage of a worker cannot be compared; the area `storage` reports why.
            yield from (check for check in checks if token or check.name != "same_storage")


def beats(queues: QueueClient) -> set[str]:
    """Return the names of the reconcilers that have sent a heartbeat within the last seconds, one per worker.

    Raises:
        RedisError: the broker failed.
    """
    found: set[str] = set()
    for stage in STAGES:
        # The area `redis` reports a key of the wrong type; here it must not hide the other stages.
        with suppress(ResponseError):
            found.update(queues.dispatch(stage).alive())
    return found


def waiting_pages(store: BookStore, queues: QueueClient) -> dict[str, int]:
    """Return the number of pages that wait for a worker, by stage.

    Raises:
        RedisError: the broker failed.
        OSError: the storage failed.
    """
    waiting = {
        stage: sum(_length(queues, "LLEN", queues.keys.queue(queue)) for queue in queues.all_queues(stage))
        for stage in STAGES
    }
    for ref in store.open_stages.all():
        if ref.stage in waiting:
            waiting[ref.stage] += _length(queues, "ZCARD", queues.keys.waiting(ref))
    return {stage: pages for stage, pages in waiting.items() if pages}


def _check_dedicated(store: BookStore, queues: QueueClient) -> Iterator[Check]:
    """Check that each scan under way is read by some worker, if any worker is alive."""
    for ref in store.open_stages.all():
        lacking = why_unserved(queues, store.settings, queues.queue_of(ref)) if ref.stage in STAGES else ""
        if lacking:
            what, _, then = lacking.partition("; ")
            yield _report.problem("reads", f"{ref} waits: {what}", then)


def _length(queues: QueueClient, command: str, key: str) -> int:
    with suppress(ResponseError):
        return int(queues.redis.execute_command(command, key))  # type: ignore[no-untyped-call]  # half typed
    return 0


def judge_workers(answers: Sequence[Answer], beating: int, waiting: Mapping[str, int]) -> Iterator[Check]:
    """Check all workers together: their answers, those with a recent heartbeat, and the waiting pages by stage."""
    if not answers:
        what = "no worker answers"
        if beating:
            what += f", although {counted(beating, 'worker was', 'workers were')} alive seconds ago"
        then = f"start one: {_START}"
        yield _report.problem("alive", what, then) if waiting else _report.warning("alive", what, then)
    else:
        names = ", ".join(answer.name for answer in answers)
        yield _report.ok("alive", f"{counted(len(answers), 'worker answers', 'workers answer')}: {names}")
        if beating > len(answers):
            yield _report.warning(
                "silent",
                f"{beating} workers were alive seconds ago, and {counted(len(answers), 'answers', 'answer')}",
                "a worker was stopped just now, or hangs: check its log",
            )
    for answer in answers:
        if answer.said is None:
            yield _report.warning(
                "version",
                f"{answer.name} does not report its version ({answer.trouble})",
                "its version is older: install the same version there, and restart it",
            )
    served = {stage for answer in answers if answer.said for stage in answer.said.stages}
    for stage, pages in waiting.items():
        if answers and stage not in served:
            yield _report.problem(
                "served",
                f"{counted(pages, 'page waits', 'pages wait')} for {stage}, which no worker serves",
                f"start one: {_start(stage)}",
            )
    if answers and not waiting.keys() - served:
        yield _report.ok(
            "served", f"served: {', '.join(stage for stage in STAGES if stage in served) or 'no stage'}"
        )


def judge_worker(name: str, said: Introduction, ours: Introduction, ahead_seconds: float) -> Iterator[Check]:
    """Check one worker.

    `ours` is the introduction that a worker for the same stages would have with the settings of this process.
    """
    device = f" on {said.device}" if said.device else ""
    engine = f", {said.engine}{device}" if said.engine else ""
    what = (
        f"{name}: leafmark {said.version}, Python {said.python}{engine}, "
        f"{counted(said.slots, 'page')} at once of {', '.join(said.stages) or 'no stage'}"
    )
    if said.version != ours.version:
        yield _report.warning(
            "version", what, f"here it is leafmark {ours.version}: install the same version there, and restart it"
        )
    else:
        yield _report.ok("version", what)
    # Another engine makes no difference: which one reads a book is recorded at the enqueue.
    if said.engine != ours.engine and said.engine.split()[:1] == ours.engine.split()[:1]:
        yield _report.warning(
            "engine",
            f"{name} has {said.engine}, here it is {ours.engine}",
            "install the same version, or pages count as stale",
        )
    if said.engines:
        named = [f"{each} ({', '.join(known)})" if known else each for each, known in said.engines.items()]
        yield _report.ok("engines", f"{name} can read with {' and '.join(named)}")
    if said.sees_token:
        yield _report.ok("same_storage", f"{name} has the same storage")
    else:
        yield _report.problem(
            "same_storage",
            f"{name} does not see a file that was just written here; its storage root is {said.root}",
            f"mount the same folder there as here ({ours.root})",
        )
    if difference := clock_difference(ahead_seconds):
        yield _report.warning(
            "clock", f"the clock of {name} is {difference}", "synchronize the clocks of both machines with NTP"
        )
    for setting, value in ours.settings.items():
        theirs = said.settings.get(setting, value)
        if theirs != value:
            yield _report.warning(
                "settings",
                f"{name} has {setting} = {in_one_line(theirs) or 'none'}, here it is {value or 'none'}",
                "set the same value on every machine, or their outputs differ",
            )


def _start(stage: str) -> str:
    threads = find_stage(stage).threads
    more = f" --pool=threads --concurrency {threads}" if threads else ""
    return f"{_START} -Q {stage}{more}"

"""The workers: who is there, are they of our version, do they see our storage, is every stage with pages served."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from redis.exceptions import ResponseError

from checkpointing.errors import BrokerError, StorageError, in_one_line
from checkpointing.plurals import counted
from checkpointing.storage_errors import storage_error
from producer.doctor.asking import Answer, ask_workers, token_file
from producer.doctor.check import Area, Check, Reporter
from worker.preflight import check_broker
from worker.queue.broker_errors import broker_errors
from worker.queue.client import QueueClient
from worker.stages.registry import STAGES, find_stage
from worker.storage.book_store import BookStore
from worker.worker_info import Introduction, introduction

_CLOCK_SECONDS = 2.0
_START = "producer worker"
_report = Reporter(Area.WORKERS)


def examine_workers(store: BookStore, queues: QueueClient, app: Any) -> Iterator[Check]:
    """Ask the workers, and look what waits for them."""
    try:
        check_broker(store.settings)
        beating, waiting = beats(queues), waiting_pages(store, queues)
        with token_file(store.root) as token:
            answers = ask_workers(app, token)
    except broker_errors(BrokerError):
        yield _report.problem("asked", "nobody can be asked while Redis is away", "see to Redis first")
        return
    except (OSError, StorageError) as error:
        words = error if isinstance(error, StorageError) else storage_error(error, store.root)
        yield _report.problem("asked", f"nobody can be asked: {words}", "see to the storage first")
        return
    yield from judge_workers(answers, len(beating), waiting)
    for answer in answers:
        if answer.said is not None:
            ours = introduction(store.settings, answer.said.stages, 0, None)
            checks = judge_worker(answer.name, answer.said, ours, answer.ahead_seconds)
            # Without a file of ours nobody can tell; the area `storage` says why there is none.
            yield from (check for check in checks if token or check.name != "same_storage")


def beats(queues: QueueClient) -> set[str]:
    """The workers that have said within the last seconds that they live, by the names of their reconcilers.

    Raises:
        RedisError: the broker failed.
    """
    now, _ = queues.redis.time()
    found: set[str] = set()
    for stage in STAGES:
        # A key of another type is told by the area `redis`; here it must not hide the rest.
        with suppress(ResponseError):
            members = cast(
                "list[bytes]",
                queues.redis.zrangebyscore(queues.keys.slots(stage), now, "+inf"),
            )
            found.update(member.decode(errors="replace").rpartition("=")[0] for member in members)
    return found


def waiting_pages(store: BookStore, queues: QueueClient) -> dict[str, int]:
    """How many pages wait for a worker, by stage.

    Raises:
        RedisError: the broker failed.
        OSError: the storage failed.
    """
    waiting = {stage: _length(queues, "LLEN", queues.keys.queue(stage)) for stage in STAGES}
    for ref in store.open_stages.all():
        if ref.stage in waiting:
            waiting[ref.stage] += _length(queues, "ZCARD", queues.keys.waiting(ref))
    return {stage: pages for stage, pages in waiting.items() if pages}


def _length(queues: QueueClient, command: str, key: str) -> int:
    with suppress(ResponseError):
        return int(queues.redis.execute_command(command, key))  # type: ignore[no-untyped-call]  # half typed
    return 0


def judge_workers(answers: Sequence[Answer], beating: int, waiting: Mapping[str, int]) -> Iterator[Check]:
    """What is to be said of all workers together.

    Args:
        answers: of those that answered.
        beating: how many have said of late that they live.
        waiting: pages that wait, by stage.
    """
    if not answers:
        what = "nobody works" if not beating else "nobody works, though somebody did seconds ago"
        then = f"start one: {_START}"
        yield _report.problem("alive", what, then) if waiting else _report.warning("alive", what, then)
    else:
        yield _report.ok("alive", f"{len(answers)} answer: {', '.join(answer.name for answer in answers)}")
        if beating > len(answers):
            yield _report.warning(
                "silent",
                f"{beating} were there seconds ago and {len(answers)} answer",
                "one was stopped just now, or hangs: look at its log",
            )
    for answer in answers:
        if answer.said is None:
            yield _report.warning(
                "version",
                f"{answer.name} does not say what it is ({answer.trouble})",
                "it is older than this command: install the same version there, and restart it",
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
            "served", f"served: {', '.join(stage for stage in STAGES if stage in served) or 'nothing'}"
        )


def judge_worker(name: str, said: Introduction, ours: Introduction, ahead_seconds: float) -> Iterator[Check]:
    """What is to be said of one worker.

    Args:
        name: as Celery has it.
        said: its introduction.
        ours: what a worker of its kind would say with our settings here.
        ahead_seconds: how far its clock is ahead of ours, at the least.
    """
    engine = f", {said.engine}" if said.engine else ""
    what = (
        f"{name}: leafmark {said.version}, Python {said.python}{engine}, "
        f"{counted(said.slots, 'page')} at once of {', '.join(said.stages) or 'nothing'}"
    )
    if said.version != ours.version:
        yield _report.warning(
            "version", what, f"we are leafmark {ours.version}: install the same there, restart it"
        )
    else:
        yield _report.ok("version", what)
    if said.engine != ours.engine:
        yield _report.warning(
            "engine", f"{name} has {said.engine}, here is {ours.engine}", "install the same, or pages show as stale"
        )
    if said.sees_token:
        yield _report.ok("same_storage", f"{name} sees our storage")
    else:
        yield _report.problem(
            "same_storage",
            f"{name} does not see a file that was written here just now; its storage root is {said.root}",
            f"mount the same folder there as here ({ours.root})",
        )
    if abs(ahead_seconds) > _CLOCK_SECONDS:
        way = "ahead of" if ahead_seconds > 0 else "behind"
        yield _report.warning(
            "clock",
            f"the clock of {name} is {abs(ahead_seconds):.0f} s {way} ours",
            "let both machines follow a time server",
        )
    for setting, value in ours.settings.items():
        theirs = said.settings.get(setting, value)
        if theirs != value:
            yield _report.warning(
                "settings",
                f"{name} has {setting} = {in_one_line(theirs) or 'none'}, here it is {value or 'none'}",
                "set the same on every machine, or pages come out differently",
            )


def _start(stage: str) -> str:
    threads = find_stage(stage).threads
    more = f" --pool=threads --concurrency {threads}" if threads else ""
    return f"{_START} -Q {stage}{more}"

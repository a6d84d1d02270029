"""The id of a run: from the enqueue through message, page and inbox to the commit, and past whatever is forged."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import ValidationError
from structlog.testing import capture_logs

from checkpointing.messages import Completion
from checkpointing.refs import StageRef
from checkpointing.run_ids import new_run, run_in, same_run, trace_id_of
from producer.planning.cancel import cancel
from producer.planning.enqueue import enqueue, requests_through
from producer.planning.request import Request
from producer.planning.reset import reset
from tests.security.forging import message, raw
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment
from tests.support.stages import CopyStage, Stamp, stamp
from worker import tasks
from worker.pipeline.process_page import process_page
from worker.queue.message_filter import RefusedError, admit
from worker.queue.messages import PageMessage
from worker.reconciler.reconciler import Reconciler
from worker.reconciler.recovery import PageRecovery
from worker.stages.registry import STAGES
from worker.telemetry.logs import configure_logs

RUN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = "0af7651916cd43dd8448eb211c80319c"
FORGED: list[Any] = [
    "",
    "x",
    TRACE,
    RUN.upper(),
    RUN + "\n",
    RUN[:-1],
    RUN + "-00",
    RUN.replace("00-", "01-", 1),
    RUN.replace("-01", "-ff"),
    RUN.replace("-", "_"),
    f"00-{'0' * 32}-b7ad6b7169203331-01",
    f"00-{TRACE}-{'0' * 16}-01",
    RUN.replace("0af7", '"}{"'),
    RUN.replace("0af7", "\u0660af7"),
    7,
    True,
    [RUN],
    {"run": RUN},
]
ALL = Request(SCAN, STAGE)


@pytest.fixture
def fake(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    monkeypatch.setattr(tasks, "deployment", lambda: fake.parts)
    return fake


@pytest.fixture
def configured(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging as a worker sets it up; afterwards as it was."""
    root_logger = logging.getLogger()
    before = (root_logger.handlers[:], root_logger.level)
    root_logger.handlers.clear()
    configure_logs("INFO", fake.root)
    for name in ("pipeline.process_page", "reconciler.reconciler", "tasks"):
        monkeypatch.setattr(f"worker.{name}.log", structlog.get_logger("a"))
    yield
    structlog.reset_defaults()
    root_logger.handlers, root_logger.level = before


def lines(fake: FakeDeployment, scan_id: str = SCAN) -> list[dict[str, Any]]:
    found = sorted((fake.root / scan_id / "logs").glob("*.jsonl"))
    return [json.loads(line) for path in found for line in path.read_text().splitlines()]


def named_by_messages(fake: FakeDeployment, stage: str = STAGE) -> list[str | None]:
    """The run that each message in Celery's queue names, as the message filter lets it through."""
    messages: Any = fake.redis.lrange(fake.parts.queues.keys.queue(stage), 0, -1)
    return [json.loads(admit(each, stage))["headers"].get("traceparent") for each in messages]


def test_each_run_has_an_id_of_its_own_and_its_stages_share_the_trace() -> None:
    first, second = new_run(), new_run()
    assert run_in(first) == first
    assert trace_id_of(first) != trace_id_of(second)
    other_stage = same_run(first)
    assert run_in(other_stage) == other_stage != first
    assert trace_id_of(other_stage) == trace_id_of(first)
    assert (trace_id_of(RUN), trace_id_of("")) == (TRACE, "")


@pytest.mark.parametrize("forged", [*FORGED, None, b"\xff", RUN.encode() + b"\n"], ids=ascii)
def test_what_is_no_run_is_none(forged: Any) -> None:
    assert run_in(forged) == ""


def test_an_enqueue_is_named_by_messages_checkpoint_and_log(fake: FakeDeployment) -> None:
    enqueue(fake.parts, ALL)
    run = fake.checkpoint().run
    assert trace_id_of(run) == trace_id_of(ALL.run)
    assert named_by_messages(fake) == [run] * 5
    (line,) = lines(fake)
    assert (line["message"], line["run"], line["enqueued"]) == ("enqueued", trace_id_of(run), 5)


def test_where_nothing_is_left_to_do_there_is_no_new_run(fake: FakeDeployment) -> None:
    enqueue(fake.parts, ALL)
    for _ in range(5):
        fake.process_next()
    fake.commit()
    again = Request(SCAN, STAGE)
    enqueue(fake.parts, again)
    assert trace_id_of(fake.checkpoint().run) == trace_id_of(ALL.run) != trace_id_of(again.run)
    assert len(lines(fake)) == 1


def test_a_later_enqueue_names_the_messages_that_are_made_from_then_on(fake: FakeDeployment) -> None:
    enqueue(fake.parts, Request(SCAN, STAGE, end_page=2))
    later = Request(SCAN, STAGE)
    enqueue(fake.parts, later)
    assert len({*named_by_messages(fake)}) == 2
    assert trace_id_of(fake.checkpoint().run) == trace_id_of(later.run)


def test_a_stage_that_is_fed_names_its_own_request_of_the_same_run(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, CopyStage.name, CopyStage())
    first, second = requests_through(fake.parts.store, Request(SCAN, STAGE), CopyStage.name)
    for request in (first, second):
        enqueue(fake.parts, request)
    fake.redis.delete(fake.parts.queues.keys.run(StageRef(SCAN, CopyStage.name)))
    for _ in range(5):
        fake.process_next()
    Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls).commit_inboxes()
    assert named_by_messages(fake, CopyStage.name) == [second.run] * 5
    assert trace_id_of(second.run) == trace_id_of(first.run)


def test_after_a_flush_the_healed_pages_name_the_run_they_were_of(fake: FakeDeployment) -> None:
    enqueue(fake.parts, ALL)
    run = fake.checkpoint().run
    fake.redis.flushdb()
    recovery = PageRecovery(fake.parts.store, fake.parts.queues, fake.parts.calls)
    for _ in range(2):
        recovery.recover(REF)
    assert named_by_messages(fake) == [run] * 5


def test_a_checkpoint_of_an_older_version_names_no_run_and_is_healed(fake: FakeDeployment) -> None:
    fake.ask_for((1, 5))
    recovery = PageRecovery(fake.parts.store, fake.parts.queues, fake.parts.calls)
    for _ in range(2):
        recovery.recover(REF)
    assert named_by_messages(fake) == [None] * 5


def test_what_ended_or_was_called_off_or_reset_names_no_run_any_more(fake: FakeDeployment) -> None:
    key = fake.parts.queues.keys.run(REF)
    enqueue(fake.parts, ALL)
    assert fake.redis.exists(key)
    cancel(fake.parts, REF)
    assert (fake.redis.exists(key), fake.checkpoint().run) == (0, "")
    enqueue(fake.parts, Request(SCAN, STAGE))
    assert fake.redis.exists(key)
    reset(fake.parts.store, fake.parts.queues, REF)
    assert (fake.redis.exists(key), fake.checkpoint().run) == (0, "")
    enqueue(fake.parts, Request(SCAN, STAGE))
    for _ in range(5):
        fake.process_next()
    fake.commit()
    assert PageRecovery(fake.parts.store, fake.parts.queues, fake.parts.calls).recover(REF).ended
    assert fake.lasting_keys() == set()


@pytest.mark.parametrize("forged", [each for each in FORGED if isinstance(each, str)], ids=ascii)
def test_a_forged_run_in_redis_keeps_no_page_from_being_done(fake: FakeDeployment, forged: str) -> None:
    fake.redis.set(fake.parts.queues.keys.run(REF), forged)
    list(fake.queue.put([1]))
    assert named_by_messages(fake) == [None]
    fake.process_next()
    assert fake.output_path(1).exists()


def test_a_run_of_the_wrong_type_keeps_no_page_from_being_done(fake: FakeDeployment) -> None:
    fake.redis.lpush(fake.parts.queues.keys.run(REF), RUN)
    list(fake.queue.put([1]))
    assert named_by_messages(fake) == [None]


def test_the_message_filter_passes_on_the_run_and_nothing_else_of_a_trace() -> None:
    traced = message(
        {"scan_id": SCAN, "stage": STAGE, "page": 1},
        headers={"traceparent": RUN, "tracestate": "x=y", "baggage": "a=b"},
    )
    made = json.loads(admit(raw(traced), STAGE))
    assert made["headers"]["traceparent"] == RUN
    assert "run" not in made["body"]
    assert made["headers"].keys().isdisjoint({"tracestate", "baggage"})
    # What Celery puts back comes through the message filter again.
    assert json.loads(admit(json.dumps(made).encode(), STAGE))["headers"]["traceparent"] == RUN


@pytest.mark.parametrize("forged", FORGED, ids=ascii)
def test_a_forged_run_is_refused_by_the_message_filter_and_by_the_message(
    fake: FakeDeployment, forged: Any
) -> None:
    named = {"scan_id": SCAN, "stage": STAGE, "page": 1}
    with pytest.raises(RefusedError, match="traceparent"):
        admit(raw(message(named, headers={"traceparent": forged})), STAGE)
    with pytest.raises(RefusedError, match="run"):
        admit(raw(message({**named, "run": RUN})), STAGE)
    with pytest.raises(ValidationError):
        PageMessage.model_validate({**named, "run": forged})
    assert tasks.process(**named, run=forged).startswith("refused: run")
    assert fake.stage.runs == []


@pytest.mark.usefixtures("fake")
def test_a_message_without_a_run_is_valid() -> None:
    named = {"scan_id": SCAN, "stage": STAGE, "page": 1}
    assert "traceparent" not in json.loads(admit(raw(message(named)), STAGE))["headers"]
    assert tasks.process(**named) == "complete"


@pytest.mark.usefixtures("configured")
def test_every_line_of_a_page_names_the_run_also_those_of_code_that_knows_no_page(fake: FakeDeployment) -> None:
    def ask(page: int) -> Stamp:
        structlog.get_logger("of a model's client").warning("call failed")
        return stamp(page)

    fake.stage.act = ask
    process_page(
        fake.parts.store,
        fake.parts.queues,
        fake.parts.calls,
        PageMessage(scan_id=SCAN, stage=STAGE, page=1, run=RUN),
    )
    fake.process(2)
    said = [(line["page"], line["message"], line.get("run")) for line in lines(fake)]
    assert said == [
        (1, "call failed", TRACE),
        (1, "page complete", TRACE),
        (2, "call failed", None),
        (2, "page complete", None),
    ]
    structlog.get_logger("of the next thing").info("no page any more")
    assert len(lines(fake)) == 4


def test_the_commit_names_the_runs_of_its_batch(fake: FakeDeployment) -> None:
    fake.hand_over(fake.completion(3))
    for page in (1, 2):
        process_page(
            fake.parts.store,
            fake.parts.queues,
            fake.parts.calls,
            PageMessage(scan_id=SCAN, stage=STAGE, page=page, run=RUN),
        )
    with capture_logs() as logged:
        Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls).commit_inboxes()
    (line,) = [each for each in logged if each["event"] == "checkpoint committed"]
    assert (line["completed"], line["runs"]) == (3, [TRACE])


def test_an_entry_of_the_inbox_is_one_that_older_coordinators_read(fake: FakeDeployment) -> None:
    process_page(
        fake.parts.store,
        fake.parts.queues,
        fake.parts.calls,
        PageMessage(scan_id=SCAN, stage=STAGE, page=1, run=RUN),
    )
    ((_, fields),) = fake.redis.xrange(fake.parts.queues.keys.inbox(REF))  # type: ignore[misc]  # async?
    assert fields[b"run"] == RUN.encode()
    # Older ones look for this field, and forbid what they do not know within it.
    assert "run" not in json.loads(fields[b"completion"])
    assert Completion.model_validate_json(fields[b"completion"]).page == 1


def test_forged_runs_in_an_inbox_are_not_taken_over(fake: FakeDeployment) -> None:
    completion = fake.completion(1).model_dump_json()
    inbox = fake.parts.queues.keys.inbox(REF)
    for forged in (b"\xff", b"x\x1b[2J", RUN.upper().encode(), b"0" * 100_000):
        fake.redis.xadd(inbox, {"completion": completion, "run": forged})
    for _ in range(200):
        fake.redis.xadd(inbox, {"completion": completion, "run": new_run()})
    batch = fake.parts.queues.inbox(REF).read(1000)
    assert len(batch.entries) == 204
    assert len(batch.runs) == 32
    assert all(map(run_in, batch.runs))

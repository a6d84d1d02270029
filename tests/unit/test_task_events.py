"""What Flower is told of a page, by what became of it."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from celery.events import EventDispatcher
from celery.utils.saferepr import saferepr
from celery.worker.strategy import default

from worker.queue.message_filter import admit
from worker.queue.messages import Outcome
from worker.tasks import process
from worker.telemetry.task_events import PageRequest, shown

QUEUED = json.dumps(
    {
        "body": '[[], {"scan_id": "moby-dick", "stage": "ocr", "page": 7}, {}]',
        "content-type": "application/json",
        "headers": {"id": "a-1", "task": "page.process"},
        "properties": {},
    }
).encode()

_OF_EVERY_EVENT = {"type", "timestamp", "hostname", "utcoffset", "pid", "clock"}


class Eventer(EventDispatcher):  # type: ignore[misc]  # Celery publishes no types
    """Celery's own, of which only the wire is missing.

    Args:
        groups: of events that are wanted; none stand for all.
    """

    def __init__(self, *groups: str) -> None:
        super().__init__(app=process.app, enabled=False, groups=groups)
        self.enabled = True
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def _publish(self, event: dict[str, Any], *_: Any, **__: Any) -> None:
        fields = {name: value for name, value in event.items() if name not in _OF_EVERY_EVENT}
        self.sent.append((event["type"], fields))


def a_request(eventer: Eventer) -> tuple[Any, list[str]]:
    """A message under way as a worker's own code makes it, and a list of what becomes of the message."""
    payload = json.loads(admit(QUEUED, "ocr"))
    message = SimpleNamespace(**payload, payload=json.loads(payload["body"]), content_type="application/json")
    message.content_encoding = "utf-8"
    message.delivery_info = payload["properties"]["delivery_info"]
    fate: list[str] = []
    made: list[Any] = []
    consumer = SimpleNamespace(
        hostname="w@here",
        connection_errors=(),
        event_dispatcher=eventer,
        timer=SimpleNamespace(call_at=None),
        apply_eta_task=None,
        disable_rate_limits=True,
        task_buckets={},
        on_task_request=made.append,
        _limit_task=None,
        _limit_post_eta=None,
        controller=SimpleNamespace(state=SimpleNamespace(revoked=())),
        pool=SimpleNamespace(apply_async=None),
    )
    handle = default(process, process.app, consumer)
    handle(message, None, lambda *_: fate.append("acknowledged"), lambda *_: fate.append(f"rejected {_[-1]}"), None)
    (request,) = made
    assert isinstance(request, PageRequest)
    return request, fate


def end(request: Any, returned: str) -> None:
    """What the pool calls when a page task has returned."""
    request.on_accepted(pid=1, time_accepted=0.0)
    request.on_success((0, saferepr(returned, process.resultrepr_maxsize), 0.5))


@pytest.mark.parametrize(
    ("returned", "event"),
    [
        ("complete", "task-succeeded"),
        ("already_complete", "task-succeeded"),
        ('try_again: error, attempt 1: ValueError: it\'s "odd"', "task-retried"),
        ("waits: the storage is away", "task-retried"),
        ("paused: the budget of 5.00 USD is reached", "task-retried"),
        ("held: another worker holds this page", "task-retried"),
        ("quarantined: timeout, attempts 3: it took more than 600 s", "task-failed"),
        ("refused: there is no scan 'x'", "task-failed"),
    ],
)
def test_flower_is_told_by_what_became_of_the_page_and_the_message_is_acknowledged(
    returned: str, event: str
) -> None:
    eventer = Eventer()
    request, fate = a_request(eventer)
    end(request, returned)
    assert fate == ["acknowledged"]
    assert [kind for kind, _ in eventer.sent] == ["task-received", "task-started", event]
    fields = eventer.sent[-1][1]
    assert fields["result"] == returned
    assert fields.get("exception") == (None if event == "task-succeeded" else returned)
    assert "traceback" not in fields
    assert (fields["uuid"], fields["name"], fields["runtime"]) == ("a-1", "page.process", 0.5)


def test_every_outcome_is_a_success_a_retry_or_a_failure() -> None:
    told = {outcome: shown(outcome.value)[0] for outcome in Outcome}
    assert {outcome for outcome, event in told.items() if event == "task-succeeded"} == {
        Outcome.COMPLETE,
        Outcome.ALREADY_COMPLETE,
    }
    assert {outcome for outcome, event in told.items() if event == "task-failed"} == {Outcome.QUARANTINED}


def test_a_page_is_named_from_its_first_event_to_its_last() -> None:
    eventer = Eventer()
    request, _ = a_request(eventer)
    end(request, "complete")
    for kind, fields in eventer.sent:
        if kind != "task-started":
            named = json.loads(fields["kwargs"].replace("'", '"'))
            assert (named["scan_id"], named["stage"], named["page"]) == ("moby-dick", "ocr", 7)


def test_a_page_whose_process_died_is_no_longer_shown_as_started_and_its_message_goes_back() -> None:
    eventer = Eventer()
    request, fate = a_request(eventer)
    request.on_accepted(pid=1, time_accepted=0.0)
    request.reject(requeue=True)
    assert fate == ["rejected True"]
    assert [kind for kind, _ in eventer.sent] == ["task-received", "task-started", "task-retried"]
    assert eventer.sent[-1][1]["result"].startswith("crashed: ")


def test_a_message_that_no_process_had_is_rejected_as_ever() -> None:
    eventer = Eventer()
    request, _ = a_request(eventer)
    request.reject(requeue=True)
    assert eventer.sent[-1] == ("task-rejected", {"uuid": "a-1", "requeue": True})


def test_where_events_are_off_none_are_sent() -> None:
    eventer = Eventer("worker")
    request, fate = a_request(eventer)
    eventer.sent.clear()
    end(request, "quarantined: error, attempts 3: oh")
    assert fate == ["acknowledged"]
    assert eventer.sent == []
    # As `enable_events` does, which Flower asks for.
    eventer.groups = {"worker", "task"}
    end(request, "complete")
    assert [kind for kind, _ in eventer.sent] == ["task-started", "task-succeeded"]

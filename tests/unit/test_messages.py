"""Messages: whatever stands in one, it does no harm."""

from typing import Any

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from checkpointing.errors import InputError, UnknownNameError
from tests.support.fake_deployment import SCAN, STAGE, FakeDeployment
from worker import tasks
from worker.queue.messages import PageMessage

GOOD = {"scan_id": SCAN, "stage": STAGE, "page": 1}
FORGED: list[dict[str, Any]] = [
    {},
    {"scan_id": SCAN, "stage": STAGE},
    {**GOOD, "extra": 1},
    {**GOOD, "scan_id": "a..b"},
    {**GOOD, "scan_id": "../elsewhere"},
    {**GOOD, "scan_id": "/etc"},
    {**GOOD, "scan_id": ".leafmark"},
    {**GOOD, "scan_id": "a/b"},
    {**GOOD, "scan_id": "a-book\n"},
    {**GOOD, "scan_id": "a\x00b"},
    {**GOOD, "scan_id": "x" * 101},
    {**GOOD, "scan_id": ""},
    {**GOOD, "scan_id": None},
    {**GOOD, "scan_id": ["a-book"]},
    {**GOOD, "stage": "../ocr"},
    {**GOOD, "stage": "STAMP"},
    {**GOOD, "stage": 7},
    {**GOOD, "page": 0},
    {**GOOD, "page": -1},
    {**GOOD, "page": 10_000_000},
    {**GOOD, "page": 10**30},
    {**GOOD, "page": "1"},
    {**GOOD, "page": True},
    {**GOOD, "page": 1.0},
    {**GOOD, "page": float("nan")},
    {**GOOD, "page": [1]},
]
UNKNOWN: list[dict[str, Any]] = [
    {**GOOD, "stage": "nonsense"},
    {**GOOD, "scan_id": "nowhere"},
    {**GOOD, "page": 6},
    {**GOOD, "page": 9_999_999},
]


@pytest.fixture
def fake(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    monkeypatch.setattr(tasks, "deployment", lambda: fake.parts)
    return fake


def test_a_message_that_is_as_it_should_be_is_done(fake: FakeDeployment) -> None:
    assert tasks.process(**GOOD) == "complete"
    assert fake.stage.runs == [1]


@pytest.mark.parametrize("forged", FORGED, ids=repr)
def test_a_forged_message_is_refused_and_leaves_nothing(fake: FakeDeployment, forged: dict[str, Any]) -> None:
    files = fake.files()
    with pytest.raises(ValidationError):
        PageMessage.model_validate(forged)
    assert tasks.process(**forged).startswith("refused: ")
    assert fake.stage.runs == []
    assert fake.redis.keys() == []
    assert fake.files() == files


@pytest.mark.parametrize("unknown", UNKNOWN, ids=repr)
def test_a_message_of_something_that_does_not_exist_is_refused_and_leaves_nothing(
    fake: FakeDeployment, unknown: dict[str, Any]
) -> None:
    files = fake.files()
    assert tasks.process(**unknown).startswith("refused: ")
    assert fake.stage.runs == []
    assert fake.redis.keys() == []
    assert fake.files() == files


@pytest.mark.parametrize("unknown", UNKNOWN, ids=repr)
def test_processing_without_celery_reports_what_does_not_exist(
    fake: FakeDeployment, unknown: dict[str, Any]
) -> None:
    with pytest.raises((UnknownNameError, InputError)) as caught:
        fake.process(**unknown)
    assert "\n" not in str(caught.value)
    assert fake.redis.keys() == []


def test_the_log_of_a_refused_message_names_the_field_that_is_wrong(fake: FakeDeployment) -> None:
    with capture_logs() as lines:
        tasks.process(scan_id=SCAN, stage=STAGE, page="one", extra=1)
    (line,) = lines
    assert line["event"] == "message refused"
    assert "page" in line["error"]
    assert "extra" in line["error"]
    assert fake.stage.runs == []

"""Inboxes that somebody wrote into: what storage does not bear out is refused, and the reconciler goes on."""

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from checkpointing.checkpoint import Checkpoint
from checkpointing.refs import StageRef
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake, reconciler_at_work
from tests.support.waiting import wait_until
from worker.reconciler.reconciler import Reconciler

PAGES = 5
HASH = "0" * 64
WHEN = "2026-01-01T00:00:00Z"
COMPLETION = {"page": 2, "sha256": HASH, "schema_version": "1", "cost_usd": 1.0, "completed_at": WHEN}
FAILURE = {"page": 2, "kind": "forged", "message": "forged", "failed_at": WHEN}

Fields = dict[str | bytes, str | bytes]


def _completion(**changes: Any) -> Fields:
    return {"completion": json.dumps(COMPLETION | changes)}


def _failure(**changes: Any) -> Fields:
    return {"failure": json.dumps(FAILURE | changes)}


FORGED: dict[str, Fields] = {
    "a hash that is not there": _completion(),
    "a hash that is none": _completion(sha256="../../etc"),
    "a page the book has not": _completion(page=PAGES + 1),
    "a page far off": _completion(page=10**18),
    "a page of many digits": {"completion": '{"page": ' + "9" * 5000 + "}"},
    "page zero": _completion(page=0),
    "a negative page": _completion(page=-1),
    "a page that is text": _completion(page="two"),
    "negative seconds": _completion(seconds=-1),
    "negative attempts": _completion(attempts=-1),
    "an unknown field": _completion(surplus=1),
    "a date without a zone": _completion(completed_at="2026-01-01T00:00:00"),
    "10 MB of a surplus field": _completion(surplus="x" * 10_000_000),
    "no JSON": {"completion": "{not json"},
    "no text": {"completion": b"\xff\xfe"},
    "nested too deep": {"completion": "[" * 100_000},
    "lone surrogates": {"completion": '{"page": 2, "sha256": "\\ud800"}'},
    "nothing": {"completion": ""},
    "a field of another name": {"surplus": "1"},
    "a field that is no text": {b"\xff": b"\xff"},
    "a failed page the book has not": _failure(page=PAGES + 1),
    "a failed page zero": _failure(page=0),
    "a failure with a surplus field": _failure(surplus=1),
    "a failure that is a list": {"failure": "[1]"},
}
NAMES: tuple[str | bytes, ...] = (
    "../../etc/x/ocr",
    "/etc/passwd",
    "no-slash",
    "",
    "/",
    f"{SCAN}/",
    f"/{STAGE}",
    f"{SCAN}/../{STAGE}",
    f"{SCAN}/nonsense",
    f"nowhere/{STAGE}",
    f"{SCAN}/{STAGE}/x",
    b"\xff\xfe/\xff",
    b"a\x00b/stamp",
    "x" * 100_000,
)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    made = make_fake(tmp_path / "scans", monkeypatch)
    made.write_scan(pages=PAGES)
    made.ask_for((1, PAGES))
    made.complete(1, cost_usd=0.5)
    return made


def _forge(fake: FakeDeployment, fields: Fields) -> None:
    fake.redis.xadd(fake.parts.queues.keys.inbox(REF), fields)  # type: ignore[arg-type]  # its dict is invariant
    fake.redis.sadd(fake.parts.queues.keys.inboxes, f"{SCAN}/{STAGE}")


def _content(checkpoint: Checkpoint) -> dict[str, Any]:
    return checkpoint.model_dump(exclude={"revision", "updated_at"})


@pytest.mark.parametrize("fields", FORGED.values(), ids=FORGED)
def test_a_forged_entry_changes_nothing_and_does_not_stay(fake: FakeDeployment, fields: Fields) -> None:
    before = _content(fake.checkpoint())
    _forge(fake, fields)
    fake.commit()
    assert _content(fake.checkpoint()) == before
    assert fake.entries() == []
    assert fake.redis.xlen(fake.parts.queues.keys.inbox(REF)) == 0


@pytest.mark.parametrize("cost_usd", [-5.0, 1e308, float("nan"), float("inf"), "x"])
def test_a_page_that_is_there_cannot_be_given_a_cost_that_is_none(fake: FakeDeployment, cost_usd: Any) -> None:
    genuine = fake.completion(3)
    _forge(fake, _completion(page=3, sha256=genuine.sha256, cost_usd=cost_usd))
    fake.commit()
    assert fake.checkpoint().completed_pages == [1]
    assert fake.checkpoint().total_cost_usd == 0.5


def test_genuine_entries_among_forged_ones_are_merged(fake: FakeDeployment) -> None:
    for fields in FORGED.values():
        _forge(fake, fields)
    fake.hand_over(fake.completion(3))
    for fields in FORGED.values():
        _forge(fake, fields)
    fake.commit()
    assert fake.checkpoint().completed_pages == [1, 3]


def test_an_entry_cannot_make_a_complete_page_fail_nor_its_cost_sink(fake: FakeDeployment) -> None:
    genuine = fake.checkpoint().pages[1]
    _forge(fake, _failure(page=1))
    _forge(fake, _completion(page=1, sha256=genuine.sha256, cost_usd=0.0))
    fake.commit()
    checkpoint = fake.checkpoint()
    assert checkpoint.completed_pages == [1]
    assert checkpoint.failed_pages == []
    assert checkpoint.total_cost_usd == 0.5


def test_forged_names_of_inboxes_lead_nowhere_and_keep_no_genuine_one_waiting(fake: FakeDeployment) -> None:
    files = fake.files().keys()
    for name in NAMES:
        fake.redis.sadd(fake.parts.queues.keys.inboxes, name)
        stream = f"{fake.parts.queues.keys.prefix}inbox:".encode() + (
            name if isinstance(name, bytes) else name.encode()
        )
        fake.redis.xadd(stream, _completion())  # type: ignore[arg-type]  # its dict is invariant
    fake.hand_over(fake.completion(3))
    fake.redis.delete(fake.parts.queues.keys.commit(REF))
    Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls).commit_inboxes()
    assert fake.checkpoint().completed_pages == [1, 3]
    assert {name for name in fake.files().keys() - files if "page_0003" not in name} == set()


def test_forged_names_of_inboxes_are_dropped_in_the_end(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        fake.redis.sadd(fake.parts.queues.keys.inboxes, name)
    monkeypatch.setattr("worker.reconciler.reconciler.FORGET_SECONDS", 0.0)
    reconciler = Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls)
    reconciler.commit_inboxes()
    reconciler.commit_inboxes()
    assert fake.redis.smembers(fake.parts.queues.keys.inboxes) == set()


def test_a_list_of_inboxes_of_another_type_is_deleted_logged_and_made_anew(fake: FakeDeployment) -> None:
    keys = fake.parts.queues.keys
    fake.redis.delete(keys.inboxes)
    fake.redis.set(keys.inboxes, "no set")
    with capture_logs() as lines, reconciler_at_work(fake.parts):
        wait_until(
            lambda: any(line["event"] == "keys of a wrong type deleted" for line in lines), 10, "a line of the log"
        )
        fake.hand_over(fake.completion(4))
    assert fake.checkpoint().completed_pages == [1, 4]


def test_a_forged_reason_cannot_blow_the_checkpoint_up(fake: FakeDeployment) -> None:
    _forge(fake, _failure(message="x" * 10_000_000, kind="y" * 10_000_000, worker="z" * 10_000_000))
    fake.commit()
    assert fake.parts.store.checkpoint_file(REF).path.stat().st_size < 100_000


def test_a_failure_of_a_page_far_off_is_refused_before_the_book_was_ever_enqueued(fake: FakeDeployment) -> None:
    fake.write_scan("another-book")
    inbox = fake.parts.queues.keys.inbox(StageRef("another-book", STAGE))
    fake.redis.xadd(inbox, _failure(page=10**12))  # type: ignore[arg-type]  # its dict is invariant
    fake.commit("another-book")
    assert fake.checkpoint("another-book").failed_pages == []

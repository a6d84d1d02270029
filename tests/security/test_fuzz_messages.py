"""Messages and inbox entries with anything in them: what is let in is a page, and nothing breaks."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpointing.errors import InputError, UnknownNameError
from tests.security.forging import encoded, message, page, raw
from tests.security.mutations import damaged, fuzzing
from tests.support.fake_deployment import REF, STAGE, FakeDeployment, make_fake
from worker import tasks
from worker.queue.message_filter import MAX_BYTES, RefusedError, admit
from worker.queue.messages import PageMessage

PAGES = 5
LIMITS = (660, 600)
OURS = page(1, stage=STAGE)
ARGUMENTS = [[], OURS, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
PLAIN = raw(message(body=json.dumps(ARGUMENTS), properties={"body_encoding": None}))
fuzz = fuzzing(400)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    made = make_fake(tmp_path / "scans", monkeypatch)
    made.write_scan(pages=PAGES)
    made.ask_for((1, PAGES))
    monkeypatch.setattr(tasks, "deployment", lambda: made.parts)
    return made


def _insist_that_it_is_a_page(admitted: bytes) -> None:
    """And that no part of it could come from whoever sent it but the page's name and an id."""
    made = json.loads(admitted)
    task_id = made["headers"].pop("id")
    positional, arguments, embedded = json.loads(made.pop("body"))
    named = PageMessage.model_validate(arguments)
    genuine = json.loads(admit(PLAIN, STAGE, LIMITS))
    genuine.pop("body")
    for each in (genuine, made):
        each["headers"].pop("id", None)
        each["properties"].pop("delivery_tag")
        for part in ("headers", "properties"):
            for name in ("root_id", "correlation_id", "kwargsrepr"):
                each[part].pop(name, None)
    assert (positional, embedded) == ([], {})
    assert made == genuine
    assert named.stage == STAGE
    assert len(task_id) < 200


@fuzz
@given(data=st.data())
def test_what_is_let_in_names_a_page_and_carries_nothing_else(data: st.DataObject) -> None:
    body = data.draw(damaged(json.dumps(ARGUMENTS).encode()))
    whole = raw(message(body=encoded(body)))
    for forged in (whole, data.draw(damaged(PLAIN))):
        with suppress(RefusedError):
            _insist_that_it_is_a_page(admit(forged, STAGE, LIMITS))


def test_the_limits_are_the_workers_own() -> None:
    forged = raw(message(OURS, headers={"timelimit": [1, 1]}))
    assert json.loads(admit(forged, STAGE, LIMITS))["headers"]["timelimit"] == list(LIMITS)


def test_what_is_too_long_is_not_even_parsed() -> None:
    with pytest.raises(RefusedError, match="more than"):
        admit(raw(message(OURS, headers={"origin": "x" * MAX_BYTES})), STAGE)


@fuzz
@given(data=st.data())
def test_arguments_of_a_task(fake: FakeDeployment, data: st.DataObject) -> None:
    with suppress(ValueError, RecursionError):
        arguments: Any = json.loads(data.draw(damaged(json.dumps(page(2, stage=STAGE)).encode())))
        if isinstance(arguments, dict):
            fake.redis.flushdb()
            assert tasks.process(**arguments).partition(":")[0] in {"refused", "complete", "already_complete"}
    assert set(fake.stage.runs) <= set(range(1, PAGES + 1))


@fuzz
@given(data=st.data())
def test_inbox_entries(fake: FakeDeployment, data: st.DataObject) -> None:
    completion = fake.parts.store.outputs(REF)
    genuine = {"page": 3, "sha256": "0" * 64, "schema_version": "1", "cost_usd": 0.5, "seconds": 1.0}
    kind = data.draw(st.sampled_from(["completion", "failure"]))
    valid = genuine if kind == "completion" else {"page": PAGES + 1, "kind": "x", "message": "y", "attempts": 3}
    fields: Any = {kind: data.draw(damaged(json.dumps(valid).encode()))}
    fake.redis.xadd(fake.parts.queues.keys.inbox(REF), fields)
    fake.commit()
    assert fake.entries() == []
    assert fake.checkpoint().completed_pages == []
    assert not completion.pages()


@fuzz
@given(scan_id=st.text(max_size=30) | st.text(alphabet="./\\\x00a-Z9_\n", max_size=12))
def test_no_scan_id_leads_out_of_the_root(fake: FakeDeployment, scan_id: str) -> None:
    with suppress(InputError, UnknownNameError):
        folder = fake.parts.store.scan(scan_id).path
        assert folder.resolve().parent == fake.root.resolve()

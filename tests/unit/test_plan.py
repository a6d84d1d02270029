"""The plan: what a dry run says is what the real one then does."""

import json
from pathlib import Path

import pytest

from checkpointing.errors import BrokerError, InputError, LeafmarkError, SettingsError
from checkpointing.page_records import FailedPage
from producer.commands.enqueue import enqueue_command
from producer.planning.enqueue import enqueue, plan
from producer.planning.request import Plan, Request
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake
from tests.support.stages import stamp


@pytest.fixture
def fake(fake: FakeDeployment) -> FakeDeployment:
    """1 and 3 are complete and then damaged, 2 is complete, 4 is not named complete, 5 is in quarantine."""
    fake.ask_for((1, 5))
    fake.complete(1, 2, 3, cost_usd=0.1)
    fake.hand_over(FailedPage(page=5, kind="torn", message="torn"))
    fake.commit()
    fake.completion(4)
    fake.output_path(1).unlink()
    fake.output_path(3).write_text(stamp(3, "by hand").model_dump_json())
    return fake


def _comparable(made: Plan) -> tuple[object, ...]:
    return (
        made.completed,
        made.skipped,
        made.remaining,
        made.requeued,
        [failed.page for failed in made.quarantined],
        made.total_cost_usd,
        made.cost_saved_usd,
        bool(made.set_aside),
    )


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("torn", [True, False])
def test_a_dry_run_changes_nothing_and_says_what_the_real_one_does(
    fake: FakeDeployment, resume: bool, torn: bool
) -> None:
    if torn:
        path = fake.parts.store.checkpoint_file(REF).path
        path.write_bytes(path.read_bytes()[:-30])
    request = Request(SCAN, STAGE, 1, 4, resume=resume)
    before = (fake.files(), fake.redis_keys())
    said = plan(fake.parts.store, request)
    assert (fake.files(), fake.redis_keys()) == before
    assert said.enqueued == []
    assert _comparable(enqueue(fake.parts, request)) == _comparable(said)


def refuse(_settings: object) -> None:
    raise BrokerError("Redis does not answer")


@pytest.mark.parametrize(
    ("asked", "settings", "broker", "expected"),
    [
        (("ocr", None), {}, True, None),
        (("ocr", None), {}, False, BrokerError),
        (("ocr", "correction"), {}, True, SettingsError),
        (("ocr", "correction"), {}, False, SettingsError),
        (("ocr", "correction"), {"correction_model": "nobody-knows-its-price"}, True, SettingsError),
        (("ocr", "correction"), {"correction_model": "m", "prices": "m=1/2"}, True, None),
        (("correction", None), {"correction_model": "m", "prices": "m=1/2"}, True, InputError),
        (("correction", None), {"correction_model": "m", "prices": "m=1/2"}, False, BrokerError),
    ],
)
def test_a_dry_run_shows_the_plan_and_ends_as_the_real_command_does(  # a table of cases
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: tuple[str, str | None],
    settings: dict[str, str],
    broker: bool,
    expected: type[LeafmarkError] | None,
) -> None:
    chosen = {"llm_base_url": "http://127.0.0.1:1/v1", "llm_api_key": "x"} | settings if settings else {}
    fake = make_fake(tmp_path / "scans", monkeypatch, **chosen)
    fake.write_scan()
    monkeypatch.setattr("producer.planning.preconditions.check_broker", bool if broker else refuse)
    monkeypatch.setattr("producer.open_deployment.Deployment", lambda *_, **__: fake.another_process())
    before = (fake.files(), fake.redis_keys())
    ends = {dry_run: _end_of(*asked, dry_run=dry_run) for dry_run in (True, False)}
    if expected is not None:
        assert (fake.files(), fake.redis_keys()) == before
    assert type(ends[True]) is type(ends[False]) is (expected or type(None))
    assert str(ends[True]) == str(ends[False])
    said = capsys.readouterr().out
    assert "would enqueue 5 pages (1-5)" in said
    assert ("blocked: " in said) == (expected is not None)


def _end_of(stage: str, through: str | None, *, dry_run: bool) -> LeafmarkError | None:
    try:
        enqueue_command(SCAN, stage, through, dry_run=dry_run)
    except LeafmarkError as error:
        return error
    return None


@pytest.mark.usefixtures("fake")
def test_what_blocks_a_plan_is_in_its_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("producer.planning.preconditions.check_broker", refuse)
    with pytest.raises(BrokerError):
        enqueue_command(SCAN, STAGE, dry_run=True, as_json=True)
    form = json.loads(capsys.readouterr().out)
    assert form["remaining"] == 2
    assert form["blocked"] == [{"exit_code": 6, "error": "Redis does not answer"}]

"""`producer profile --set`: the price of what becomes stale, with the stages that are made from it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from checkpointing.refs import StageRef
from producer.cli import app
from producer.planning.cost_estimate import forecast
from producer.planning.enqueue import enqueue
from producer.planning.request import Request
from tests.support.fake_deployment import SCAN, STAGE, FakeDeployment
from tests.support.read_book import json_of, make_read_book
from tests.support.stages import LaterStage
from worker.pipeline.coordinators import make_coordinator

LATER = StageRef(SCAN, LaterStage.name)
_EACH_USD = 0.02
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """A book whose pages 1 to 5 are read, and 1 to 3 corrected, for 2 cents each."""
    monkeypatch.setattr("producer.planning.preconditions.check_broker", bool)  # the fake broker has no address
    made = make_read_book(
        tmp_path / "scans",
        monkeypatch,
        range(1, 6),
        LaterStage(),
        llm_base_url="http://server/v1",
        llm_api_key="key",
        correction_model="tiny",
        prices="tiny=1000/2000",
    )
    enqueue(made.parts, Request(SCAN, LATER.stage, end_page=3))
    for page in (1, 2, 3):
        made.process(page, stage=LATER.stage)
    made.redis.delete(made.parts.queues.keys.commit(LATER))
    make_coordinator(made.parts.store, made.parts.queues, LATER).commit()
    edit(made, LATER, lambda record: record.update(cost_usd=_EACH_USD))
    edit(made, StageRef(SCAN, STAGE), lambda record: record.update(cpu_seconds=None))
    return made


def edit(fake: FakeDeployment, ref: StageRef, change: Change, *pages: int) -> None:
    """Change the records of pages in a checkpoint; of all where none is named."""
    path = fake.parts.store.checkpoint_file(ref).path
    form = json.loads(path.read_bytes())
    for page, record in form["pages"].items():
        if not pages or int(page) in pages:
            change(record)
    path.write_text(json.dumps(form))


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["profile", SCAN, *options])


def price(*options: str) -> dict[str, Any]:
    form: dict[str, Any] = json_of(run("--json", "--dry-run", *options))["price"]
    return form


def test_the_price_has_the_stages_that_are_made_from_stale_pages(fake: FakeDeployment) -> None:
    form = price("--pages", "2-4", "--set", "dpi=400")
    first, second = form["stages"]
    assert (first["stage"], first["pages"], first["spent_usd"], first["forecast"]) == (STAGE, 3, 0, None)
    # Page 4 is not corrected yet.
    estimate = forecast(fake.parts.store, LATER, [2, 3])
    assert estimate is not None
    assert (second["stage"], second["pages"], second["spent_usd"]) == (LATER.stage, 2, 2 * _EACH_USD)
    assert second["forecast"] == estimate.as_json()
    assert (form["expected_usd"], form["high_usd"]) == (estimate.expected_usd, estimate.high_usd)
    assert estimate.expected_usd


def test_the_price_is_printed_with_what_pages_have_cost(fake: FakeDeployment) -> None:
    edit(fake, StageRef(SCAN, STAGE), lambda record: record.update(cpu_seconds=2.25), 2, 3)
    lines = run("--pages", "2-4", "--set", "dpi=400").stderr.splitlines()
    assert lines[0].startswith(f"Changed. 3 pages of {STAGE} became stale; `producer enqueue {SCAN} --refresh-st")
    assert f"  {STAGE}: 3 pages, no calls of a model; so far 4.5 CPU seconds (on record for 2 pages)" in lines
    [asking] = [line for line in lines if line.startswith(f"  {LATER.stage}: 2 pages, about 2 calls, $")]
    assert asking.endswith("; so far $0.040")
    assert "expected" in asking


def test_cpu_time_is_told_where_it_is_recorded_and_not_invented_where_it_is_not(fake: FakeDeployment) -> None:
    first = price("--set", "dpi=400")["stages"][0]
    assert (first["cpu_seconds"], first["cpu_pages"]) == (None, 0)
    assert "CPU" not in run("--set", "dpi=400", "--dry-run").stderr
    edit(fake, StageRef(SCAN, STAGE), lambda record: record.update(cpu_seconds=1.5))
    first = price("--set", "dpi=400")["stages"][0]
    assert (first["cpu_seconds"], first["cpu_pages"]) == (7.5, 5)
    assert "so far 7.5 CPU seconds\n" in run("--set", "dpi=400", "--dry-run").stderr


def test_the_cost_is_unknown_without_a_price(fake: FakeDeployment) -> None:
    fake.settings = fake.settings.model_copy(update={"correction_model": ""})
    form = price("--set", "dpi=400")
    assert form["expected_usd"] is form["high_usd"] is None
    assert form["stages"][1]["spent_usd"] == pytest.approx(3 * _EACH_USD)
    shown = run("--set", "dpi=400").stderr
    assert "cost unknown (LEAFMARK_CORRECTION_MODEL is not set); so far $0.060" in shown


@pytest.mark.usefixtures("fake")
def test_a_change_that_makes_nothing_stale_has_no_price() -> None:
    assert price("--set", "engine=auto") == {"expected_usd": 0, "high_usd": 0, "stages": []}
    assert "Processing" not in run("--set", "engine=auto").stderr


def test_a_page_without_recorded_inputs_is_not_in_the_price(fake: FakeDeployment) -> None:
    edit(fake, LATER, lambda record: record.update(made_from=""), 1)
    assert [each["pages"] for each in price("--set", "dpi=400")["stages"]] == [5, 2]


@pytest.mark.usefixtures("fake")
def test_pages_that_were_stale_before_are_told() -> None:
    run("--set", "dpi=400")
    lines = run("--set", "dpi=500").stderr.splitlines()
    assert lines == ["Changed. No page became stale by it.", f"5 pages of {STAGE} were stale before."]

"""Every command that reports prints its result as JSON with `--json`, and nothing else on stdout."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from checkpointing.page_records import FailedPage
from producer.cli import COMMANDS, app
from producer.commands.command_group import LazyGroup
from producer.planning.enqueue import enqueue
from producer.planning.request import Request
from tests.support.fake_deployment import SCAN, STAGE, FakeDeployment

NOT_REPORTING = {"worker", "flower"}


@pytest.fixture
def fake(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """Of 5 pages 1 is complete, 2 is in quarantine, 3 to 5 wait in the queue."""
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(fake.root))
    fake.ask_for((1, 2))
    fake.complete(1, cost_usd=0.25)
    fake.hand_over(FailedPage(page=2, kind="torn", message="torn", attempts=3))
    fake.commit()
    enqueue(fake.another_process(), Request(SCAN, STAGE))
    return fake


def form_of(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    form: dict[str, Any] = json.loads(done.stdout)
    return form


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - NOT_REPORTING))
def test_every_command_that_reports_has_json(command: str) -> None:
    group = app.info.cls
    assert issubclass(group, LazyGroup)
    made: Any = group(name="producer").get_command(None, command)
    assert "--json" in [option for parameter in made.params for option in parameter.opts]


@pytest.mark.usefixtures("fake")
def test_what_was_cancelled_is_told_by_stage() -> None:
    form = form_of("cancel", SCAN)
    assert (form["scan_id"], form["still_under_way"]) == (SCAN, [])
    assert form["cancelled"][STAGE]["dropped"] == 3
    assert form_of("cancel", SCAN)["cancelled"] == {}


@pytest.mark.usefixtures("fake")
def test_what_was_reset_is_told() -> None:
    form = form_of("reset", SCAN, "--stage", STAGE, "--yes")
    assert (form["reset"], form["completed"], form["outputs"], form["total_cost_usd"]) == (True, 1, 1, 0.25)


@pytest.mark.usefixtures("fake")
def test_one_moment_of_the_view_is_told() -> None:
    form = form_of("watch", SCAN, "--once")
    stage = next(each for each in form["stages"] if each["stage"] == STAGE)
    assert (stage["completed"], stage["quarantined"], stage["under_way"]) == (1, 1, True)
    assert CliRunner().invoke(app, ["watch", "--json"]).exit_code != 0


@pytest.mark.usefixtures("fake")
def test_the_path_of_a_report_is_told(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    form = form_of("report", SCAN, "--output", str(target), "--no-images")
    assert form == {"scan_id": SCAN, "report": str(target), "pages": 5}
    assert target.is_file()

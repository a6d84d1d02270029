"""`producer enqueue` with options of the profile: it is changed as by `producer profile --set`, before planning."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from checkpointing.errors import CommandLineError, SettingsError, UnknownNameError
from producer.cli import app
from tests.support.fake_deployment import SCAN, STAGE, FakeDeployment, files_under
from tests.support.read_book import json_of, make_read_book, stored
from tests.support.stages import ReaderStage
from worker.stages.registry import STAGES

PROFILE = ["--engine", "tesseract", "--lang", "de,la", "--typeface", "antiqua", "--dpi", "400"]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """The pages 1 to 3 are complete, read by the settings."""
    monkeypatch.setattr("producer.planning.preconditions.check_broker", bool)  # the fake broker has no address
    return make_read_book(tmp_path / "scans", monkeypatch, (1, 2, 3))


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["enqueue", SCAN, "--stage", STAGE, *options])


def answer(*options: str) -> dict[str, Any]:
    return json_of(run("--json", *options))


def stale_pages(form: dict[str, Any]) -> list[int]:
    return [each["page"] for each in form["stale"]]


def test_the_profile_is_changed_before_the_pages_are_planned(fake: FakeDeployment) -> None:
    form = answer(*PROFILE)
    assert stored(fake) == {"engine": "tesseract", "lang": "de+la", "typeface": "antiqua", "dpi": 400}
    assert (stale_pages(form), form["enqueued_pages"]) == ([1, 2, 3], [4, 5])
    fake.process(4)
    assert json.loads(fake.output_path(4).read_bytes())["text"] == "tesseract de+la"


def test_fields_that_are_not_given_stay_as_they_are(fake: FakeDeployment) -> None:
    run(*PROFILE)
    done = run("--dpi", "300")
    assert stored(fake) == {"engine": "tesseract", "lang": "de+la", "typeface": "antiqua", "dpi": 300}
    profile = "300 dpi, language de+la, typeface antiqua, engine tesseract"
    assert f"The profile of {SCAN} is now: {profile}." in done.stderr
    assert "The profile of" not in run("--dpi", "300").stderr


def test_turn_skew_and_crop_are_set_as_fields_of_the_profile(fake: FakeDeployment) -> None:
    run("--rotate", "90", "--deskew", "-1.50", "--crop", "5, 0, 5, 2")
    assert stored(fake) == {"rotate": "90", "deskew": "-1.5", "crop": "5,0,5,2"}


def test_stale_pages_can_be_refreshed_at_once(fake: FakeDeployment) -> None:
    assert answer(*PROFILE, "--refresh-stale")["enqueued_pages"] == [1, 2, 3, 4, 5]
    assert stored(fake) is not None


def test_a_dry_run_shows_what_would_be_stale_and_writes_nothing(fake: FakeDeployment) -> None:
    before = files_under(fake.root)
    form = answer(*PROFILE, "--dry-run")
    assert (stale_pages(form), form["remaining_pages"]) == ([1, 2, 3], [4, 5])
    shown = run(*PROFILE, "--dry-run").stderr
    assert f"The profile of {SCAN} would be: 400 dpi" in shown
    assert "from 'rapidocr eng' to 'tesseract de+la; 400 dpi' (1-3)" in shown
    assert files_under(fake.root) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lang", "xx"], "'xx' is not a language that an engine reads"),
        (["--lang", "../x"], "--lang ../x: not a language; give BCP 47 tags"),
        (["--engine", "pen"], "--engine pen: there is no OCR engine 'pen'; choose rapidocr or tesseract, or auto"),
        (["--typeface", "gothic"], "--typeface gothic: Input should be 'antiqua' or 'fraktur'"),
        (["--dpi", "9"], "--dpi 9: Input should be greater than or equal to 72"),
        (["--rotate", "45"], "--rotate 45: Input should be 'auto', 'off', '90', '180' or '270'"),
        (["--deskew", "steep"], "--deskew steep: not auto, off, or degrees from -45 to 45"),
        (["--crop", "60,0,60,0"], "--crop 60,0,60,0: not auto, off, or the percent of the picture to cut off"),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_allowed(
    fake: FakeDeployment, options: list[str], message: str
) -> None:
    done = run(*options)
    assert isinstance(done.exception, CommandLineError)
    assert message in str(done.exception)
    assert stored(fake) is None


def test_the_profile_stays_where_the_pages_cannot_be_enqueued(fake: FakeDeployment) -> None:
    done = run(*PROFILE, "--pages", "4-9")
    assert isinstance(done.exception, UnknownNameError)
    assert stored(fake) is None


class EngineStage(ReaderStage):
    """Its pages go to workers that have the engine and the languages."""

    has_engine = True


def test_the_profile_stays_where_no_worker_can_read_by_the_new_one(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.planning.able_workers._ANSWER_SECONDS", 0.0)
    monkeypatch.setitem(STAGES, STAGE, EngineStage)
    fake.parts.queues.dispatch(STAGE).record_heartbeat("here:7", 2)
    before = files_under(fake.root)
    done = run("--engine", "tesseract", "--lang", "el")
    assert isinstance(done.exception, SettingsError)
    assert "no worker that is alive can read el with tesseract" in str(done.exception)
    assert files_under(fake.root) == before
    fake.parts.queues.dispatch(f"{STAGE}:tesseract:el:antiqua").record_heartbeat("there:7", 2)
    assert answer("--engine", "tesseract", "--lang", "el")["enqueued_pages"] == [4, 5]
    assert stored(fake) == {"engine": "tesseract", "lang": "el"}


@pytest.mark.usefixtures("fake")
def test_with_pages_it_is_told_that_the_profile_holds_for_the_book() -> None:
    done = run("--pages", "4", "--engine", "tesseract")
    assert f"holds for the whole book; `producer profile {SCAN} --pages PAGES --set NAME=VALUE`" in done.stderr


@pytest.mark.usefixtures("fake")
def test_a_language_that_the_engine_ignores_is_told() -> None:
    assert (
        f"{SCAN}: --lang de has no effect, because the engine rapidocr takes no notice"
        in run("--lang", "de").stderr
    )

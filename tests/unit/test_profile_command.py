"""`producer profile`: shows how a book is read, changes it, and counts what becomes stale."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from checkpointing.errors import CommandLineError, SettingsError, UnknownNameError
from producer.cli import app
from producer.ingest.profile_change import record_defaults
from tests.support.fake_deployment import SCAN, STAGE, FakeDeployment
from tests.support.read_book import json_of, make_read_book, stored
from worker.pages.book_profile import BookProfile


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """The pages 1 to 3 are complete, read by the settings."""
    return make_read_book(tmp_path / "scans", monkeypatch, (1, 2, 3))


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["profile", SCAN, *options])


def answer(*options: str) -> dict[str, Any]:
    return json_of(run("--json", *options))


def test_each_value_is_shown_with_its_source(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAFMARK_DPI", "300")
    run("--set", "lang=de")
    form = answer()
    assert {name: (each["value"], each["source"]) for name, each in form["profile"].items()} == {
        "dpi": (300, "environment"),
        "lang": ("de", "book"),
        "typeface": ("antiqua", "default"),
        "engine": ("rapidocr", "default"),
        "rotate": ("auto", "default"),
        "deskew": ("auto", "default"),
        "crop": ("auto", "default"),
        "spreads": ("auto", "default"),
    }
    assert form["profile"]["lang"]["place"] == str(fake.parts.store.scan(SCAN).metadata_path)
    assert (form["engine"], form["languages"], form["unknown"]) == ("rapidocr", "", "")
    assert "changed" not in form
    shown = run().stdout
    assert "environment: LEAFMARK_DPI" in shown
    assert "It is read by rapidocr, which ignores lang and typeface." in shown


def test_values_of_the_last_enqueue_are_shown_where_this_machine_has_others(
    fake: FakeDeployment,
) -> None:
    scan = fake.parts.store.scan(SCAN)
    recorded = fake.parts.store.stages.defaults.changed_by(BookProfile(engine="tesseract", lang="deu"))
    record_defaults(scan, scan.read_metadata(), recorded)
    run("--set", "lang=la")
    form = answer()
    sources = {name: (each["value"], each["source"]) for name, each in form["profile"].items()}
    assert (sources["engine"], sources["lang"]) == (("tesseract", "enqueue"), ("la", "book"))
    assert sources["dpi"][1] == "default"
    assert (form["engine"], form["languages"]) == ("tesseract", "lat")
    assert "Settings here differ from those of the last enqueue" in run().stdout


def test_a_change_is_stored_and_counts_the_pages_that_become_stale(fake: FakeDeployment) -> None:
    changed = answer("--set", "engine=tesseract", "--set", "lang=de,la")
    assert stored(fake) == {"lang": "de+la", "engine": "tesseract"}
    assert (changed["changed"], changed["stale"]) == (True, {STAGE: [1, 2, 3]})
    assert (changed["engine"], changed["languages"]) == ("tesseract", "deu+lat")
    # They are stale already.
    assert answer("--set", "lang=el")["stale"] == {}
    done = run("--unset", "lang", "--unset", "engine")
    assert "Changed. No page became stale by it." in done.stderr
    assert stored(fake) is None
    done = run("--set", "engine=tesseract")
    assert f"3 pages of {STAGE} became stale; `producer enqueue {SCAN} --refresh-stale` reads" in done.stderr


def test_a_change_to_what_is_there_already_changes_nothing(fake: FakeDeployment) -> None:
    run("--set", "engine=auto", "--set", "lang=de")
    path = fake.parts.store.scan(SCAN).metadata_path
    before = path.stat()
    again = run("--set", "lang=de", "--unset", "dpi")
    assert "nothing changed" in again.stderr
    assert path.stat() == before
    assert answer("--set", "lang=de")["changed"] is False


@pytest.mark.usefixtures("fake")
def test_auto_reads_as_before_where_it_chooses_the_same_engine() -> None:
    changed = answer("--set", "engine=auto")
    assert (changed["engine"], changed["stale"]) == ("rapidocr", {})


def test_what_a_newer_version_has_added_to_the_profile_stays(fake: FakeDeployment) -> None:
    scan = fake.parts.store.scan(SCAN)
    form = json.loads(scan.metadata_path.read_text())
    scan.metadata_path.write_text(json.dumps({**form, "profile": {"dewarp": True, "lang": "de"}}))
    assert run("--unset", "lang", "--set", "dpi=400").exit_code == 0
    assert stored(fake) == {"dewarp": True, "dpi": 400}


def test_data_that_is_missing_on_this_machine_is_named(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    changed = answer("--set", "lang=de", "--set", "typeface=fraktur", "--set", "engine=auto")
    assert (changed["engine"], changed["languages"], changed["stale"]) == ("tesseract", "", None)
    assert "Tesseract has no data for 'frk'" in changed["unknown"]
    assert stored(fake) == {"lang": "de", "typeface": "fraktur", "engine": "auto"}
    assert "How it is read is not known on this machine: Tesseract has no data" in run().stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "language=de"], "no field 'language'; its fields are dpi, lang, typeface, engine"),
        (["--unset", "font"], "no field 'font'; its fields are dpi"),
        (["--set", "lang"], "--set lang has no value; write NAME=VALUE, such as lang=de"),
        (["--set", "lang=de", "--unset", "lang"], "lang is named twice"),
        (["--set", "lang=de", "--set", "lang=la"], "lang is named twice"),
        (["--set", "lang="], "--set lang=: not a language; give BCP 47 tags, like de"),
        (["--set", "lang=xx"], "'xx' is not a language that an engine reads; the languages are af am ar"),
        (["--set", "typeface=gothic"], "--set typeface=gothic: Input should be 'antiqua' or 'fraktur'"),
        (["--set", "dpi=9"], "--set dpi=9: Input should be greater than or equal to 72"),
        (["--set", "dpi=fine"], "--set dpi=fine: Input should be a valid integer"),
        (["--set", "engine=pen"], "there is no OCR engine 'pen'; choose rapidocr or tesseract, or auto"),
    ],
)
def test_a_wrong_change_is_refused_with_what_is_allowed(
    fake: FakeDeployment, options: list[str], message: str
) -> None:
    done = run(*options)
    assert isinstance(done.exception, CommandLineError)
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)
    assert stored(fake) is None


@pytest.mark.usefixtures("fake")
def test_a_scan_that_is_not_there_is_named() -> None:
    done = CliRunner().invoke(app, ["profile", "nothing"])
    assert isinstance(done.exception, UnknownNameError)


def test_ingest_and_run_refuse_an_unknown_language_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.setting_options._by_option", set())
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(tmp_path))
    for command in ("ingest", "run"):
        monkeypatch.setenv("LEAFMARK_OCR_LANG", "eng")
        monkeypatch.setenv("LEAFMARK_OCR_TYPEFACE", "antiqua")
        done = CliRunner().invoke(app, [command, "book.pdf", "--lang", "de,xx"])
        assert isinstance(done.exception, CommandLineError), done.output
        done = CliRunner().invoke(app, [command, "book.pdf", "--lang", "de", "--typeface", "gothic"])
        assert isinstance(done.exception, SettingsError)
        assert "LEAFMARK_OCR_TYPEFACE='gothic': Input should be 'antiqua' or 'fraktur'" in str(done.exception)

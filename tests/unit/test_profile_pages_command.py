"""`producer profile --pages`: shows and changes how some pages of a book are read."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from checkpointing.errors import CommandLineError, UnknownNameError
from producer.cli import app
from producer.ingest.profile_options import options_without_effect, overruled
from tests.support.fake_deployment import SCAN, STAGE, FakeDeployment, files_under
from tests.support.read_book import json_of, make_read_book, stored
from worker.config.settings import Settings
from worker.pages.book_profile import BookProfile


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """A book of five pages, all complete and read by Tesseract in English."""
    return make_read_book(tmp_path / "scans", monkeypatch, range(1, 6), ocr_engine="tesseract")


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["profile", SCAN, *options])


def answer(*options: str) -> dict[str, Any]:
    return json_of(run("--json", *options))


def test_a_change_of_pages_is_stored_and_makes_only_these_pages_stale(fake: FakeDeployment) -> None:
    changed = answer("--pages", "2-3,5", "--set", "lang=el")
    assert stored(fake, "page_profiles") == [{"pages": [[2, 3], [5, 5]], "profile": {"lang": "el"}}]
    assert (changed["changed"], changed["stale"]) == (True, {STAGE: [2, 3, 5]})
    [part] = changed["pages"]
    assert (part["pages"], part["engine"], part["languages"]) == ([[2, 3], [5, 5]], "tesseract", "ell")
    assert part["profile"]["lang"] == {
        "value": "el",
        "source": "pages",
        "place": str(fake.parts.store.scan(SCAN).metadata_path),
    }
    assert part["profile"]["dpi"]["source"] == "default"
    assert changed["profile"]["lang"]["value"] == "eng"


def test_ranges_are_joined_and_split_so_that_each_profile_is_stored_once(fake: FakeDeployment) -> None:
    run("--pages", "1-2", "--set", "lang=el")
    run("--pages", "3", "--set", "lang=el")
    assert stored(fake, "page_profiles") == [{"pages": [[1, 3]], "profile": {"lang": "el"}}]
    run("--pages", "2,4", "--set", "dpi=400")
    assert stored(fake, "page_profiles") == [
        {"pages": [[1, 1], [3, 3]], "profile": {"lang": "el"}},
        {"pages": [[2, 2]], "profile": {"lang": "el", "dpi": 400}},
        {"pages": [[4, 4]], "profile": {"dpi": 400}},
    ]
    run("--pages", "1-5", "--unset", "dpi")
    assert stored(fake, "page_profiles") == [{"pages": [[1, 3]], "profile": {"lang": "el"}}]
    assert answer("--pages", "1-5", "--unset", "lang")["stale"] == {}
    assert stored(fake, "page_profiles") is None


def test_what_a_newer_version_has_added_to_pages_stays(fake: FakeDeployment) -> None:
    scan = fake.parts.store.scan(SCAN)
    form = json.loads(scan.metadata_path.read_text())
    entry = {"pages": [[1, 4]], "profile": {"dewarp": True}, "quire": "B"}
    scan.metadata_path.write_text(json.dumps({**form, "page_profiles": [entry]}))
    assert run("--pages", "4-5", "--set", "lang=el").exit_code == 0
    assert stored(fake, "page_profiles") == [
        {"pages": [[1, 3]], "profile": {"dewarp": True}, "quire": "B"},
        {"pages": [[4, 4]], "profile": {"dewarp": True, "lang": "el"}, "quire": "B"},
        {"pages": [[5, 5]], "profile": {"lang": "el"}},
    ]
    run("--pages", "4", "--unset", "lang")
    assert stored(fake, "page_profiles") == [entry, {"pages": [[5, 5]], "profile": {"lang": "el"}}]


def test_a_change_of_the_book_leaves_what_pages_have_of_their_own(fake: FakeDeployment) -> None:
    run("--pages", "2", "--set", "lang=eng")
    changed = answer("--set", "lang=de")
    assert stored(fake, "page_profiles") == [{"pages": [[2, 2]], "profile": {"lang": "eng"}}]
    assert changed["stale"] == {STAGE: [1, 3, 4, 5]}


def test_a_change_to_what_pages_have_already_changes_nothing(fake: FakeDeployment) -> None:
    run("--pages", "2", "--set", "lang=el")
    path = fake.parts.store.scan(SCAN).metadata_path
    before = path.stat()
    assert answer("--pages", "2", "--set", "lang=el")["changed"] is False
    assert path.stat() == before


def test_pages_alone_show_what_applies_to_them(fake: FakeDeployment) -> None:
    run("--set", "dpi=400")
    run("--pages", "2-3", "--set", "lang=el")
    before = files_under(fake.root)
    parts = {str(part["pages"]): part["profile"] for part in answer("--pages", "1,3-5")["pages"]}
    sources = {pages: (each["lang"]["source"], each["dpi"]["source"]) for pages, each in parts.items()}
    assert sources == {"[[1, 1], [4, 5]]": ("default", "book"), "[[3, 3]]": ("pages", "book")}
    shown = run("--pages", "1,3-5").stdout
    assert "pages 1, 4-5" in shown
    assert "They are read by tesseract, whose names of the languages are ell." in shown
    assert files_under(fake.root) == before


@pytest.mark.usefixtures("fake")
def test_the_view_of_a_book_has_its_pages_with_a_profile_of_their_own() -> None:
    run("--pages", "2-3", "--set", "lang=el")
    assert [part["pages"] for part in answer()["pages"]] == [[[2, 3]]]
    lines = run().stdout.splitlines()
    [title] = [number for number, line in enumerate(lines) if line.startswith("pages 2-3")]
    assert [line.split()[:3] for line in lines[title + 1 : -1]] == [["lang", "el", "pages:"]]
    assert any(line.startswith("It is read by tesseract") for line in lines[:title])


def test_two_entries_with_the_same_profile_are_shown_together(fake: FakeDeployment) -> None:
    path = fake.parts.store.scan(SCAN).metadata_path
    entries = [{"pages": [[first, first]], "profile": {"lang": "el"}, "quire": first} for first in (4, 2)]
    path.write_text(json.dumps({**json.loads(path.read_text()), "page_profiles": entries}))
    assert [part["pages"] for part in answer()["pages"]] == [[[2, 2], [4, 4]]]


def test_a_dry_run_shows_the_result_and_changes_nothing(fake: FakeDeployment) -> None:
    before = files_under(fake.root)
    for pages, stale in ((["--pages", "2"], [2]), ([], [1, 2, 3, 4, 5])):
        form = answer(*pages, "--set", "lang=el", "--dry-run")
        assert (form["dry_run"], form["changed"], form["stale"]) == (True, True, {STAGE: stale})
    assert form["profile"]["lang"]["value"] == "el"
    assert f"1 page of {STAGE} would become stale" in run("--pages", "2", "--set", "lang=el", "--dry-run").stderr
    assert files_under(fake.root) == before


@pytest.mark.usefixtures("fake")
def test_pages_whose_language_is_missing_here_are_named_and_the_rest_is_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "eng.traineddata").touch()
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    changed = answer("--pages", "2", "--set", "lang=de", "--set", "typeface=fraktur")
    assert changed["stale"] is changed["price"] is None
    assert "Tesseract has no data for 'frk'" in changed["pages"][0]["unknown"]
    assert changed["unknown"] == ""
    assert set(answer("--set", "dpi=400")["stale"][STAGE]) >= {1, 3, 4, 5}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (["--pages", "4-6", "--set", "lang=el"], UnknownNameError, "there is no page 6: the book has 5 pages"),
        (["--pages", "6"], UnknownNameError, "there is no page 6: the book has 5 pages"),
        (["--pages", "two", "--set", "lang=el"], CommandLineError, "'two' is not a list of pages"),
        (["--pages", "2", "--set", "lang=xx"], CommandLineError, "'xx' is not a language"),
    ],
)
def test_a_wrong_change_of_pages_is_refused(
    fake: FakeDeployment, options: list[str], error: type[Exception], message: str
) -> None:
    done = run(*options)
    assert isinstance(done.exception, error)
    assert message in str(done.exception)
    assert stored(fake, "page_profiles") is None


def test_options_of_a_run_that_do_not_count_for_pages_are_told(fake: FakeDeployment) -> None:
    run("--pages", "2-3", "--set", "lang=el")
    metadata = fake.parts.store.metadata(SCAN)
    [line] = overruled(metadata, BookProfile(lang="de"))
    assert line == (
        f"the pages 2-3 of {SCAN} are read by their own profile (language el), which goes before --lang de; "
        f"`producer profile {SCAN}` shows it"
    )
    assert list(overruled(metadata, BookProfile(dpi=400))) == []


def test_a_language_has_an_effect_if_it_has_one_for_some_pages(fake: FakeDeployment) -> None:
    settings, german = Settings(ocr_engine="rapidocr"), BookProfile(lang="deu")
    assert "has no effect" in options_without_effect(fake.parts.store.metadata(SCAN), settings, german)
    run("--pages", "2", "--set", "engine=tesseract")
    assert options_without_effect(fake.parts.store.metadata(SCAN), settings, german) == ""

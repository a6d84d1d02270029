"""The command lines that are printed to be pasted do what was interrupted, and nothing else."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from producer import setting_options as config
from producer.cli import app
from producer.run.book_run import BookRun
from producer.run.command_lines import watch_again
from sample import small_page, write_image_folder
from tests.unit.test_words import a_plan as plan
from worker.config.settings import ENV_PREFIX, Settings

MODELS = {
    "LEAFMARK_LLM_BASE_URL": "http://127.0.0.1:1/v1",
    "LEAFMARK_LLM_API_KEY": "k",
    "LEAFMARK_CORRECTION_MODEL": "m",
}


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A storage root of the test's own; what options change in the environment is put back."""
    for name in Settings.model_fields:
        monkeypatch.setenv(f"{ENV_PREFIX}{name.upper()}", "")
        monkeypatch.delenv(f"{ENV_PREFIX}{name.upper()}")
    monkeypatch.setattr(config, "_by_option", set())
    monkeypatch.setenv("LEAFMARK_CONFIG", "")
    (tmp_path / "scans").mkdir()
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(tmp_path / "scans"))
    for name, value in MODELS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return write_image_folder(tmp_path / "my book's pages", [small_page(1), small_page(2), small_page(3)])


def interrupted(monkeypatch: pytest.MonkeyPatch, at: str, *arguments: str | Path) -> str:
    """What `producer run` says to go on with, when Ctrl-C comes at one of its steps."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BookRun, at, interrupt)
    done: Any = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 130, done.output
    (again,) = re.findall(r"To continue: (.+(?:\n.+)*)", done.stderr)
    return str(again)


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ([], ""),
        (["--workers", "2"], " --workers 2"),
        (["--scan-id", "other", "--title", "A book"], ""),
        (
            ["--through", "correction", "--allow-unpriced", "--budget", "5"],
            " --through correction --allow-unpriced",
        ),
        (["--pages", "1,3-3", "--allow-doubtful", "--json"], " --pages 1,3-3 --json --allow-doubtful"),
        # The book keeps how it is read.
        (["--dpi", "200", "--engine=rapidocr"], ""),
    ],
)
def test_run_goes_on_with_the_scan_and_every_option_that_matters(
    monkeypatch: pytest.MonkeyPatch, book: Path, options: list[str], more: str
) -> None:
    scan_id = "other" if "--scan-id" in options else "my-book-s-pages"
    again = interrupted(monkeypatch, "_use_own_workers", "run", book, *options)
    assert again == f"producer run {scan_id}{more}"
    # Pasted, it is understood, and comes to the same place.
    assert interrupted(monkeypatch, "_use_own_workers", *shlex.split(again)[1:]) == again


def test_run_of_a_book_that_was_ingested_before_goes_on_with_how_it_is_read(
    monkeypatch: pytest.MonkeyPatch, book: Path
) -> None:
    interrupted(monkeypatch, "_use_own_workers", "run", book)
    options = ["--dpi", "200", "--engine", "rapidocr"]
    again = interrupted(monkeypatch, "_use_own_workers", "run", book, *options)
    assert again == f"producer run my-book-s-pages {' '.join(options)}"
    assert interrupted(monkeypatch, "_use_own_workers", *shlex.split(again)[1:]) == again


def test_run_that_ingested_nothing_yet_goes_on_with_the_source(monkeypatch: pytest.MonkeyPatch, book: Path) -> None:
    options = ["--scan-id", "its-mine", "--title", "A 'book'", "--budget", "5.5", "--stage", "ocr"]
    again = interrupted(monkeypatch, "_ingest", "run", *options, "--", book)
    assert shlex.split(again)[:3] == ["producer", "run", str(book)]
    assert sorted(shlex.split(again)[3:]) == sorted(options)


def test_a_source_that_looks_like_an_option_stays_a_source(
    monkeypatch: pytest.MonkeyPatch, book: Path, tmp_path: Path
) -> None:
    book.rename(tmp_path / "-x")
    monkeypatch.chdir(tmp_path)
    again = interrupted(monkeypatch, "_ingest", "run", "--workers", "2", "--", "-x")
    assert again == "producer run --workers 2 -- -x"


def test_settings_before_the_command_are_said_again_and_secrets_are_not(
    monkeypatch: pytest.MonkeyPatch, book: Path
) -> None:
    given = ["--set", "dpi=200", "--set", "llm_api_key=geheim", "--set", "prices=m=1/2, n=3/4"]
    again, note = interrupted(monkeypatch, "_use_own_workers", *given, "run", book).splitlines()
    assert again == "producer --set dpi=200 --set 'prices=m=1/2, n=3/4' run my-book-s-pages"
    assert note == "Add what is not shown here: --set llm_api_key=..."


def test_a_wait_is_watched_again_for_its_pages_alone_and_changes_nothing() -> None:
    whole, part = plan(stage="ocr"), plan(stage="ocr", wanted=[2, 3, 4, 7])
    scan = whole.scan_id
    assert watch_again([whole], allow_doubtful=False) == f"producer enqueue {scan} --wait"
    assert (
        watch_again([part], allow_doubtful=True) == f"producer enqueue {scan} --pages 2-4,7 --wait --allow-doubtful"
    )
    config.set_by_option("dpi=150")
    assert os.environ["LEAFMARK_DPI"] == "150"
    assert watch_again([whole], allow_doubtful=False) == f"producer --set dpi=150 enqueue {scan} --wait"


def test_a_wait_for_several_stages_names_the_first_and_the_last() -> None:
    first, last = plan(stage="correction"), plan(stage="structure")
    assert f"enqueue {first.scan_id} --stage correction --through structure " in watch_again(
        [first, last], allow_doubtful=False
    )

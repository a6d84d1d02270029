"""Parts of a report: text comparison, heat levels, and writing the file."""

import errno
import webbrowser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpointing.errors import InputError, StorageError
from producer.cli import main
from producer.report import charts, text_diff
from producer.report.render import GENERATOR
from producer.report.text_diff import Change, Mark, marks_of
from producer.report.write import check_target, write_report
from tests.support.report_book import SCAN, make_book, page_picture
from tests.unit.conftest import Disk

HTML = f'<!doctype html><meta name="generator" content="{GENERATOR}">'
ROOT = Path(__file__).parents[2]
TEXTS = st.text(alphabet="ab \n-", max_size=40)


def without(change: Change, found: tuple[Mark, ...]) -> str:
    return "".join(mark.text for mark in found if mark.change is not change)


@given(TEXTS, TEXTS)
def test_marks_contain_both_texts(before: str, after: str) -> None:
    found = marks_of(before, after)
    assert without(Change.IN, found).split() == before.split()
    assert without(Change.OUT, found) == after
    assert (before != after) or all(mark.change is Change.SAME for mark in found)


def test_marks_show_changed_words_instead_of_changed_letters() -> None:
    found = marks_of("the White Rabhit\nwith pink eyes", "the White Rabbit\nwith pink eyes")
    assert [(mark.change.value, mark.text) for mark in found] == [
        ("same", "the White "),
        ("out", "Rabhit"),
        ("in", "Rabbit"),
        ("same", "\n"),
        ("same", "with pink eyes"),
    ]


def test_long_texts_that_have_nothing_in_common_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_diff, "SequenceMatcher", None)
    found = marks_of("same " + "a " * 2000 + "end", "same " + "b " * 2000 + "end")
    assert [mark.change.value for mark in found] == ["same", "out", "in", "same", "same"]


@pytest.mark.parametrize(
    ("confidence", "level"), [(1.0, 0), (0.99, 0), (0.989, 1), (0.97, 1), (0.95, 2), (0.9, 3), (0.84, 4), (0.0, 4)]
)
def test_heat_level_of_a_confidence(confidence: float, level: int) -> None:
    assert charts.confidence_level(confidence) == level


@pytest.mark.parametrize(("edits", "level"), [(0, 0), (1, 1), (2, 1), (3, 2), (5, 2), (6, 3), (10, 3), (11, 4)])
def test_heat_level_of_a_number_of_edits(edits: int, level: int) -> None:
    assert charts.edits_level(edits) == level


@pytest.mark.parametrize(
    ("cost", "level"), [(0.0, 0), (0.0001, 1), (0.1, 1), (0.3, 2), (0.6, 3), (0.99, 4), (1.0, 4)]
)
def test_heat_level_of_a_cost(cost: float, level: int) -> None:
    assert charts.cost_level(cost, 1.0) == level
    assert charts.cost_level(0.0, 0.0) == 0


def test_each_heat_level_has_a_legend() -> None:
    found = charts.legends(0.4)
    assert {len(words) for words in found.values()} == {charts.HOTTEST + 1}
    assert found["edits"] == ("0", "1-2", "3-5", "6-10", "more than 10")
    assert found["cost"] == ("nothing", "below $0.10", "below $0.20", "below $0.30", "up to $0.40")


def test_only_an_earlier_report_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    write_report(path, HTML)
    write_report(path, f"{HTML} again")
    assert path.read_text() == f"{HTML} again"
    mine = tmp_path / "mine.html"
    mine.write_text("<!doctype html>my own")
    with pytest.raises(InputError, match="is not a report"):
        write_report(mine, HTML)
    assert mine.read_text() == "<!doctype html>my own"


def test_a_missing_folder_is_an_error_before_the_report_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        check_target(tmp_path / "nowhere" / "a.html")
    with pytest.raises(InputError, match="is a folder"):
        check_target(tmp_path)


def test_a_folder_without_write_permission_is_an_error_before_the_report_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write anywhere, so the system is made to say no.
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(StorageError, match="permission denied"):
        check_target(tmp_path / "a.html")


def test_a_full_disk_leaves_the_earlier_report_unchanged(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "a.html"
    write_report(path, HTML)
    disk.break_at(1, errno.ENOSPC)
    with pytest.raises(StorageError, match="no space left"):
        write_report(path, f"{HTML} again")
    assert path.read_text() == HTML
    assert [each.name for each in tmp_path.iterdir()] == ["a.html"]


def test_a_lone_surrogate_is_replaced(tmp_path: Path) -> None:
    write_report(tmp_path / "a.html", f"{HTML}\ud800 text")
    assert (tmp_path / "a.html").read_text() == f"{HTML}? text"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lets `producer` be called on a book of two pages; returns the folder that it is called in."""
    make_book(tmp_path / "scans", map(page_picture, (1, 2)))
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(tmp_path / "scans"))
    monkeypatch.setenv("LEAFMARK_REDIS_URL", "redis://127.0.0.1:1/0")
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["producer", "report", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_command_prints_the_path_of_the_report(
    command: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, SCAN) == 0
    assert capsys.readouterr() == ("a-book-report.html\n", "")
    html = (command / "a-book-report.html").read_text()
    assert html.count("data:image/webp") == 4
    assert call(monkeypatch, SCAN, "--no-images", "--output", "b.html") == 0
    assert "data:image/webp" not in (command / "b.html").read_text()


def test_open_starts_a_browser_or_prints_that_there_is_none(
    command: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: bool(opened.append(url)))
    assert call(monkeypatch, SCAN, "--no-images", "--open") == 0
    assert opened == [(command / "a-book-report.html").as_uri()]
    assert "No browser found" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("another",), 4, "there is no scan 'another'"),
        (("../x",), 3, "is not a scan id"),
        ((SCAN, "--output", "nowhere/a.html"), 3, "there is no folder nowhere"),
    ],
)
def test_an_invalid_call_ends_with_one_line(
    command: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    assert call(monkeypatch, *arguments) == code
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert words in err
    assert not list(command.iterdir())

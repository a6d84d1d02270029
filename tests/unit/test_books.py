"""The books that a command line names: looked at before anything is done, several at once, with their passwords."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from checkpointing.errors import CommandLineError, InputError
from producer.cli import app
from producer.ingest import books
from producer.ingest.books import check_names, given_password, look_at_source
from tests.unit.test_ingest import ENCRYPTED_PDF
from worker.pages.scan import list_scans

ONE_PAGE = Image.new("L", (60, 80), "white")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "scans"
    root.mkdir()
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(root))
    monkeypatch.setenv("LEAFMARK_REDIS_URL", "redis://127.0.0.1:1/0")
    return root


def pdf(path: Path, pages: int = 1) -> Path:
    path.parent.mkdir(exist_ok=True)
    ONE_PAGE.save(path, save_all=True, append_images=[ONE_PAGE] * (pages - 1))
    return path


def image(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    ONE_PAGE.save(path)
    return path


def invoke(*arguments: object) -> tuple[int | None, str, str]:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    code = getattr(done.exception, "exit_code", done.exit_code)
    return code, done.stdout, f"{done.stderr}{done.exception or ''}"


def test_several_sources_become_a_book_each(root: Path, tmp_path: Path) -> None:
    code, out, _ = invoke("ingest", pdf(tmp_path / "one.pdf"), image(tmp_path / "two.png"))
    assert (code, out) == (0, "one\ntwo\n")
    assert list_scans(root) == ["one", "two"]


def test_of_several_sources_one_that_cannot_be_used_is_named_and_the_others_are_ingested(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.pdf").write_text("no PDF")
    sources = [pdf(tmp_path / "one.pdf"), tmp_path / "bad.pdf", pdf(tmp_path / "two.pdf")]
    code, out, err = invoke("ingest", *sources)
    assert (code, out) == (InputError.exit_code, "one\ntwo\n")
    assert "bad.pdf is not a PDF" in err
    assert "1 of 3 sources could not be ingested" in err
    code, out, _ = invoke("ingest", "--json", *sources)
    form = json.loads(out)
    assert code == InputError.exit_code
    assert [each["scan_id"] for each in form["scans"]] == ["one", "two"]
    assert [each["source"] for each in form["failed"]] == [str(sources[1])]
    assert list_scans(root) == ["one", "two"]


@pytest.mark.parametrize("option", ["--scan-id", "--title"])
@pytest.mark.parametrize("command", ["ingest", "run"])
def test_what_names_one_book_is_refused_for_several(root: Path, tmp_path: Path, command: str, option: str) -> None:
    code, _, err = invoke(command, pdf(tmp_path / "one.pdf"), pdf(tmp_path / "two.pdf"), option, "x")
    assert code == CommandLineError.exit_code
    assert option in err
    assert list_scans(root) == []


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--stage", "typo"], 4),
        (["--through", "typo"], 4),
        (["--stage", "structure", "--through", "ocr"], 4),
        (["--stage", "correction"], 7),
        (["--through", "correction"], 7),
        (["--pages", "2-1"], 2),
        (["--pages", "3"], 4),
        (["--scan-id", "a/b"], 3),
        (["--dpi", "1"], 7),
        (["--engine", "pen"], 7),
        (["--budget", "-1"], 2),
        (["--workers", "0"], 2),
    ],
)
def test_run_checks_the_command_line_before_it_ingests(
    root: Path, tmp_path: Path, options: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"DPI": "300", "OCR_ENGINE": "rapidocr", "LLM_BASE_URL": "", "LLM_API_KEY": ""}.items():
        # Also puts back what --dpi and --engine set for this process.
        monkeypatch.setenv(f"LEAFMARK_{name}", value)
    assert invoke("run", pdf(tmp_path / "one.pdf"), *options)[0] == code
    assert list_scans(root) == []


def test_run_ingests_no_book_where_another_cannot_be_used(root: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.pdf").write_text("no PDF")
    assert invoke("run", pdf(tmp_path / "one.pdf"), tmp_path / "bad.pdf")[0] == InputError.exit_code
    assert invoke("run", pdf(tmp_path / "one.pdf"), "no-such-scan")[0] == InputError.exit_code
    assert list_scans(root) == []


def test_run_of_a_new_book_at_a_later_stage_names_the_way_that_works(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"BASE_URL": "http://127.0.0.1:1/v1", "API_KEY": "x"}.items():
        monkeypatch.setenv(f"LEAFMARK_LLM_{name}", value)
    monkeypatch.setenv("LEAFMARK_CORRECTION_MODEL", "m")
    monkeypatch.setenv("LEAFMARK_PRICES", "m=0/0")
    code, _, err = invoke("run", pdf(tmp_path / "one.pdf"), "--stage", "correction")
    assert code == InputError.exit_code
    assert "`--stage ocr --through correction` to run both" in err
    assert list_scans(root) == []


def test_a_folder_with_pdfs_and_images_is_not_guessed(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "both"
    pdf(folder / "book.pdf")
    image(folder / "page1.png")
    image(folder / "page2.png")
    code, _, err = invoke("ingest", folder)
    assert code == InputError.exit_code
    assert "contains 1 PDF and 2 page images" in err
    assert f"{folder}/book.pdf" in err
    assert list_scans(root) == []


def test_a_folder_of_pdfs_is_offered_as_many_books(tmp_path: Path) -> None:
    folder = tmp_path / "shelf of books"
    for name in ("one.pdf", "two.pdf"):
        pdf(folder / name)
    with pytest.raises(InputError, match="contains 2 PDFs and no page images; each is a book") as caught:
        look_at_source(folder, None)
    assert f"'{folder}/one.pdf' '{folder}/two.pdf'" in str(caught.value)


def test_a_password_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("open sesame \r\nmore\n"))
    assert given_password("-") == "open sesame "
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(CommandLineError, match="found no password on standard input"):
        given_password("-")
    assert given_password("--") == "--"
    assert given_password(None) is None


def test_a_terminal_is_asked_for_the_password_of_an_encrypted_pdf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "locked.pdf"
    path.write_bytes(ENCRYPTED_PDF)
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "sesame"

    monkeypatch.setattr(books.getpass, "getpass", answer)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(InputError, match="is encrypted; give its password with --password"):
        look_at_source(path, None)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    book = look_at_source(path, None)
    assert (book.password, len(asked)) == ("sesame", 1)
    assert "locked.pdf" in asked[0]
    with pytest.raises(InputError, match="does not open with this password"):
        look_at_source(path, "wrong")


def test_one_book_may_have_a_name() -> None:
    check_names(["a.pdf"], "an-id", "A Title")
    with pytest.raises(InputError):
        check_names(["a.pdf"], "not an id", None)

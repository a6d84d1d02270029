"""`producer evaluate` as a process: results on stdout, one line for what is wrong on stderr, and its exit codes."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import SHIPPED, run_command
from tests.support.report_book import CORRECTED, SCAN, make_book, page_picture
from tests.support.waiting import HANG_SECONDS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A book of two pages with outputs as the OCR stage writes them."""
    book = make_book(tmp_path / "scans", map(page_picture, (1, 2)))
    book.complete("ocr", {1: book.read()[1]})
    return tmp_path / "scans"


def test_the_command_measures_a_book_and_says_what_it_left_out(root: Path, tmp_path: Path) -> None:
    def evaluate(*options: str | Path, expect: int) -> tuple[str, str]:
        arguments = ["evaluate", SCAN, *map(str, options)]
        environment = {
            "LEAFMARK_STORAGE_ROOT": str(root),
            "LEAFMARK_CONFIG": "",
            "LEAFMARK_REDIS_URL": "redis://x:1",
        }
        done = run_command(SHIPPED, arguments, environment, HANG_SECONDS)
        assert done.returncode == expect, done.stderr
        return done.stdout, done.stderr

    truth = tmp_path / "truth.txt"
    truth.write_text(f"HEAD 1\n{CORRECTED}\f")
    out, _ = evaluate("--truth", truth, "--pages", "1", expect=0)
    assert "2.60 %" in out
    truth.write_text(f"HEAD 1\n{CORRECTED}\fHEAD 2")
    target = tmp_path / "measured.html"
    out, err = evaluate("--truth", truth, "--json", "--html", target, expect=15)
    form = json.loads(out)
    assert (form["stages"][0]["pages_not_complete"], form["html"]) == ([2], str(target))
    left_out = "pages with truth are not complete and not counted: ocr: 1 page (2)"
    assert err == f"producer: {SCAN}: {left_out}; `producer enqueue {SCAN}` processes them\n"
    assert target.read_text().startswith("<!doctype html>")
    truth.write_bytes(b"\xff\xfe")
    out, err = evaluate("--truth", truth, expect=3)
    assert (out, err.count("\n")) == ("", 1)
    assert "is not UTF-8" in err

"""Every benchmark runs at a toy's size and prints figures. How good these are is for `make bench` to say."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from prometheus_client import values

from benchmarks import __main__ as command
from benchmarks import (
    calls,
    counting,
    decoding,
    enqueue,
    geometry,
    kill,
    known_pages,
    large,
    layout,
    long_lines,
    memory,
    named_languages,
    pipeline,
    quality,
    reading,
    report_page,
    resume,
    scale,
    throughput,
)
from benchmarks.printed_lines import PrintedLines
from benchmarks.readers import EARLIER_ENGINE, ENGINE, LEAFMARK, OCRMYPDF, Book, Reader, Reading
from benchmarks.report import report
from benchmarks.scale import Fleet
from sample.book import SamplePage
from sample.truth_pages import Recipe, TruePage, make_page
from tests.support.browser import chromium_path
from worker.ocr.boxes import Box
from worker.ocr.engines.base import OcrLine
from worker.ocr.engines.tesseract import Tesseract

FIELDS = {"name", "value", "unit", "yardstick", "ratio"}
MAY_BE_ZERO = {"cores", "CPU s", "pages", "tables", "paragraphs", "degrees", "of 1", "%"}
# The benchmark of waiting waits for leases to run out, by default for many seconds.
SOON = {"LEAFMARK_CLAIM_SECONDS": "1", "LEAFMARK_HEAL_SECONDS": "0.2"}


def figures(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was printed, insisting that it can be read and makes sense."""
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for figure in found:
        assert figure.keys() == FIELDS
        assert figure["name"]
        assert figure["yardstick"]
        assert math.isfinite(figure["value"])
        # At a toy's size CPU may be less than can be told, and all or nothing may be wrong.
        assert figure["value"] > 0 or figure["unit"] in MAY_BE_ZERO
        assert figure["ratio"] is None or figure["ratio"] > 0
    assert len({figure["name"] for figure in found}) == len(found)
    return found


@pytest.fixture
def _small_print(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of the sample book as small blank pictures: no figure of a toy's size depends on what they show."""

    def blank(_page: SamplePage) -> Image.Image:
        return Image.new("RGB", (400, 60), "white")

    monkeypatch.setattr(known_pages, "render", blank)
    monkeypatch.setattr(report_page, "print_page", blank)


def test_a_figure_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    report("this", 1.23456, "s", "that: 2.00 s", 0.61728)
    report("alone", 7.0, "MiB", "none", None)
    first, second = figures(capsys)
    assert first == {"name": "this", "value": 1.2346, "unit": "s", "yardstick": "that: 2.00 s", "ratio": 0.617}
    assert second["ratio"] is None


def test_command_refuses_a_seed_for_benchmarks_without_generated_pages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "layout", "quality", "--first-seed", "0"])
    with pytest.raises(SystemExit):
        command.main()
    assert "--first-seed is for layout" in capsys.readouterr().err


def test_resume(capsys: pytest.CaptureFixture[str]) -> None:
    resume.run(page_count=30, rounds=1)
    assert len([figure for figure in figures(capsys) if figure["ratio"]]) == 2


def test_enqueue(capsys: pytest.CaptureFixture[str]) -> None:
    enqueue.run(page_count=30, rounds=1)
    (figure,) = figures(capsys)
    assert figure["ratio"]


def test_kill(capsys: pytest.CaptureFixture[str]) -> None:
    kill.run(page_count=8, rounds=1, **SOON)
    assert [figure["unit"] for figure in figures(capsys)] == ["s", "s"]


def test_memory(capsys: pytest.CaptureFixture[str]) -> None:
    memory.run(page_count=60, rounds=1)
    assert {figure["unit"] for figure in figures(capsys)} == {"MiB", "bytes", "s"}


def test_throughput(capsys: pytest.CaptureFixture[str]) -> None:
    throughput.run(page_count=30, rounds=1, warm_ups=0, pools=throughput.POOLS[:1])
    assert len([figure for figure in figures(capsys) if figure["ratio"]]) == 3


def test_named_languages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "a-text.txt").write_text("Er ging mit seinem Bruder durch die kleine Stadt. " * 20)
    monkeypatch.setenv("LEAFMARK_TEXTS", str(tmp_path))

    named_languages.run(page_count=1, changes=["10 % wrong characters"])

    assert [figure["unit"] for figure in figures(capsys)] == ["%", "%", "%", "CPU ms"]


@pytest.mark.usefixtures("_small_print")
def test_quality(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class TitleEngine(Tesseract):
        def load(self) -> None:
            """Load nothing."""

        def recognise(self, image: Image.Image) -> list[OcrLine]:
            return [OcrLine("Alice's Adventures", 0.9, Box(10, 10, image.width - 20, 30))]

    monkeypatch.setattr(quality, "make_engine", TitleEngine)
    (tmp_path / "lines").mkdir()
    for name in ("page", "lines/a", "lines/b"):
        Image.new("L", (400, 60), 255).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_text("Alice's Adventures in Wonderland")
    monkeypatch.setenv(known_pages.TRUTH_VARIABLE, str(tmp_path))
    quality.run(page_count=1)
    found = figures(capsys)
    assert len(found) == 3 * 9
    by_name = {figure["name"]: figure["value"] for figure in found}
    assert by_name["wer as_read, page, tesseract, 1 page"] == 0.5
    assert by_name["word_recall normalised, lines of print in pages of 25, tesseract, 1 page"] == 0.25


def test_layout_measures_what_was_read_against_the_truth(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_small(recipe: Recipe) -> TruePage:
        return make_page(replace(recipe, dpi=100, columns=recipe.columns[:2], curl=0.0))

    monkeypatch.setattr(layout, "make_engine", PrintedLines)
    monkeypatch.setattr(layout, "make_page", make_small)
    layout.run(page_count=2, first_seed=0)
    by_name = {figure["name"]: figure for figure in figures(capsys)}
    for name in ("upright, 1 page", "lines as printed, 2 pages"):
        assert by_name[f"words in order, 1 column, {name}"]["value"] == 1
        assert by_name[f"words found, 1 column, {name}"]["value"] == 1
    assert by_name["cer at 1 degrees of skew, 1 page"]["value"] < 0.01
    assert by_name["quarter turn right, 2 pages"]["value"] == 1
    assert by_name["core-seconds a page, generated pages, printed"]["unit"] == "CPU s"


@pytest.mark.usefixtures("_small_print")
def test_reading_compares_programs_and_counts_errors_where_lines_are_in_order(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def program(name: str, cpu_seconds: float, *, has_order: bool = True) -> Reader:
        def read(book: Book) -> Reading:
            subprocess.run([sys.executable, "-S", "-c", ""], check=True)  # some CPU time
            count = len(book.images)
            return Reading(["Alice's Adventures"] * count, [cpu_seconds] * count, has_order)

        return Reader(name, read)

    programs = [program(LEAFMARK, 1.1), program(ENGINE, 1.0, has_order=False), program(f"{OCRMYPDF}, eng", 0.5)]
    monkeypatch.setattr(reading, "readers", lambda _languages: programs)
    monkeypatch.setattr(reading, "write_pdf", lambda _book: None)
    Image.new("L", (400, 60), 255).save(tmp_path / "page.png")
    (tmp_path / "page.txt").write_text("Alice's Adventures in Wonderland")
    monkeypatch.setenv(known_pages.TRUTH_VARIABLE, str(tmp_path))
    reading.run(page_count=1, rounds=1)
    by_name = {figure["name"]: figure for figure in figures(capsys)}
    assert by_name[f"wer as_read, page, 5 pages, {LEAFMARK}"]["value"] == 0.5
    assert f"wer as_read, page, 5 pages, {ENGINE}" not in by_name
    assert by_name[f"word_recall normalised, page, 5 pages, {ENGINE}"]["value"] == 0.5
    assert by_name[f"core-seconds a page, programs loaded, page, 5 pages, {LEAFMARK}"]["ratio"] == 1.1
    assert by_name[f"pages a second, page, 5 pages, {LEAFMARK}"]["yardstick"].startswith(f"{OCRMYPDF}, eng: ")


def test_long_lines_compares_widths_and_versions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def program(name: str) -> Reader:
        def read(book: Book) -> Reading:
            with Image.open(book.images[0]) as page:
                return Reading(["Alice"], [page.width / 1500], peak_bytes=1 << 20)

        return Reader(name, read)

    monkeypatch.setattr(long_lines, "engines", lambda: [program(ENGINE), program(EARLIER_ENGINE)])
    long_lines.run(page_count=1, rounds=1)

    by_name = {figure["name"]: figure for figure in figures(capsys)}
    longest = f"core-seconds for 1,000 characters, lines of 12000 pixels, {ENGINE}"
    assert by_name[longest]["ratio"] == pytest.approx(8, rel=0.2)
    assert by_name[longest]["yardstick"].startswith("lines of 1500 pixels: ")
    assert by_name["core-seconds beside an earlier version, lines of 8000 pixels"]["ratio"] == 1


@pytest.mark.usefixtures("_small_print")
def test_decoding_is_compared_with_the_page_as_a_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(decoding, "OcrStage", lambda: SimpleNamespace(prepare=lambda: None, run=lambda *_: None))
    monkeypatch.setenv(known_pages.TRUTH_VARIABLE, str(tmp_path))
    decoding.run(page_count=1, rounds=1)

    assert [figure["name"] for figure in figures(capsys)] == [
        "reading a page, the sample book, PDF",
        "decoding a page, the sample book, PDF",
        "reading a page, the sample book, PNG",
        "decoding a page, the sample book, PNG",
    ]


def test_calls(capsys: pytest.CaptureFixture[str]) -> None:
    calls.run(page_count=12, rounds=1, threads=4, latency_seconds=0.2)
    _, rate, memory_peak = figures(capsys)
    assert (rate["unit"], memory_peak["unit"]) == ("calls/s", "MiB")
    assert rate["ratio"]


def test_pipeline(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.run(page_count=8, rounds=1, ocr_seconds=0.05, model_seconds=0.1)
    (figure,) = figures(capsys)
    assert figure["ratio"]


def test_counting(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    # The recorder sets it; the end of the test takes that back.
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    counting.run(page_count=30, rounds=1)
    on, off, scrape = figures(capsys)
    assert (on["unit"], off["unit"], scrape["unit"]) == ("µs", "µs", "ms")
    assert on["ratio"]
    assert off["ratio"]


@pytest.mark.usefixtures("_small_print")
def test_report_page(capsys: pytest.CaptureFixture[str]) -> None:
    chromium_path()
    report_page.run(page_count=3, rounds=1)
    opening, size, making = figures(capsys)
    assert opening["ratio"]
    assert (size["unit"], making["unit"]) == ("MiB", "s")


def test_scale(capsys: pytest.CaptureFixture[str]) -> None:
    scale.run(fleets=[Fleet(4, 0.02, 5, books=2)], idle=(1,), seconds=0.3)
    found = figures(capsys)
    assert len([figure for figure in found if figure["ratio"]]) == 3
    assert "pages a commit" in " ".join(figure["name"] for figure in found)


def test_large(capsys: pytest.CaptureFixture[str]) -> None:
    large.run(lengths=[200], counts=[5], listed=[5])
    assert {figure["unit"] for figure in figures(capsys)} >= {"CPU s", "MiB", "pages/s", "keys a book"}


def test_geometry(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "make_page", lambda recipe: make_page(replace(recipe, dpi=100, curl=0.0)))
    geometry.run(page_count=2)
    by_name = {figure["name"]: figure["value"] for figure in figures(capsys)}
    assert by_name["quarter turns right, 2 pages"] == 1

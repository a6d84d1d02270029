"""The forecast: what a stage will cost is told from what pages have cost, or else from what there is to read."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from checkpointing.errors import StorageError
from checkpointing.fields import now
from checkpointing.file import CheckpointFile
from checkpointing.ledger import Ledger
from checkpointing.ledger_entry import Call
from checkpointing.money import Money
from checkpointing.page_records import FailedPage, PageRecord
from checkpointing.refs import StageRef
from producer.planning.cost_estimate import Forecast, describe, forecast
from tests.support.calls import a_call
from tests.support.fake_deployment import REF, SCAN, STAGE, make_fake, write_scan
from tests.support.stages import StampStage, register_last, stamp
from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.ocr.layout.region_types import RegionType
from worker.stages import correction, fix
from worker.stages.ocr import Dimensions, OcrPage
from worker.stages.ocr_regions import OcrRegion
from worker.stages.options import CorrectionOptions, FixOptions

MODEL = "a-model"
ASKING = "correction"
FIX = "fix"


class CorrectionStage(StampStage):
    """Asks a model about what the stamp stage has made."""

    name = ASKING
    output_dir = "corrected"
    depends_on = ("ocr", STAGE)
    uses_model = True
    Options = CorrectionOptions
    cost_shape = correction.CorrectionStage.cost_shape


class FixStage(CorrectionStage):
    name = FIX
    output_dir = "fixed"
    Options = FixOptions
    cost_shape = fix.FixStage.cost_shape


def ask(ledger: Ledger, page: int, most: int, model: str = MODEL) -> Call:
    """Note a call about a page that may cost so many micro-dollars."""
    call = a_call(StageRef(ledger.path.parent.parent.name, ASKING), page, most, model=model)
    ledger.ask(call)
    return call


def pay(
    ledger: Ledger, page: int, cost: int, *, model: str = MODEL, source: str = "set", rejected: bool = False
) -> None:
    """Let a page have an answer that cost so many micro-dollars."""
    call = ask(ledger, page, 10 * cost, model)
    paid = call.model_copy(update={"cost_micro": cost, "cost_source": source})
    ledger.answer(paid)
    if rejected:
        ledger.reject(paid)


def printed(page: int, *texts: str) -> OcrPage:
    """What OCR makes of a page with such paragraphs."""
    regions = [
        OcrRegion(
            id=f"r{order}", type=RegionType.BODY, bbox=(0, 0, 9, 9), text=text, confidence=1, reading_order=order
        )
        for order, text in enumerate(texts, start=1)
    ]
    return OcrPage(
        page_number=page,
        page_dimensions=Dimensions(width=10, height=10),
        regions=tuple(regions),
        blank=not regions,
        ocr_timestamp=now(),
        engine="an-engine",
        engine_version="1",
        dpi=None,
        seconds=0,
    )


@dataclass
class Library:
    """A storage root with scans that have histories."""

    root: Path
    parts: Deployment

    def ledger(self, scan_id: str = SCAN, stage: str = ASKING) -> Ledger:
        return Ledger(self.root / scan_id, stage)

    def scan(self, scan_id: str, costs: Sequence[int] = (), **how: Any) -> None:
        """A scan whose first pages have cost so many micro-dollars each."""
        write_scan(self.root, scan_id, 50)
        self.add(scan_id, dict(enumerate(costs, start=1)), **how)

    def add(self, scan_id: str, costs: dict[int, int], **how: Any) -> None:
        for page, cost in costs.items():
            pay(self.ledger(scan_id), page, cost, **how)
        if costs:
            self.settle(scan_id, costs)

    def settle(self, scan_id: str, costs: dict[int, int], stage: str = ASKING) -> None:
        """Let the checkpoint have pages as complete that cost so many micro-dollars by their records."""
        file = self.parts.store.checkpoint_file(StageRef(scan_id, stage))
        with file.exclusive() as checkpoint:
            for page, cost in costs.items():
                checkpoint.complete(page, PageRecord(sha256="0" * 64, cost_usd=Money.from_micro(cost).usd))
            file.save(checkpoint)

    def with_settings(self, **settings: Any) -> "Library":
        return Library(self.root, open_deployment(self.root, **settings))

    def forecast(self, pages: int = 100, scan_id: str = SCAN, stage: str = ASKING) -> Forecast:
        made = forecast(self.parts.store, StageRef(scan_id, stage), range(1, pages + 1))
        assert made is not None
        return made


def open_deployment(root: Path, **changes: Any) -> Deployment:
    usual: dict[str, Any] = {"correction_model": MODEL, "fix_model": MODEL, "prices": f"{MODEL}=0.15/0.60"}
    return Deployment(Settings(storage_root=root, **usual | changes), None)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    fake = make_fake(tmp_path / "scans", monkeypatch)
    register_last(monkeypatch, CorrectionStage, FixStage)
    return Library(fake.root, open_deployment(fake.root))


def test_a_stage_that_asks_no_model_has_no_forecast(library: Library) -> None:
    library.scan(SCAN)
    assert forecast(library.parts.store, REF, [1, 2]) is None


def test_a_scan_with_a_history_is_forecast_from_it(library: Library) -> None:
    library.scan(SCAN, [1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 20_000])
    assert library.forecast(100) == Forecast(
        stage=ASKING,
        pages=100,
        calls=100,
        expected_usd=0.65,
        high_usd=0.9,
        median_usd=0.0055,
        p90_usd=0.009,
        basis="from 10 pages of this scan",
    )


def test_rejected_answers_are_part_of_what_a_page_takes(library: Library) -> None:
    library.scan(SCAN, [1000] * 10)
    for page in range(1, 6):
        pay(library.ledger(), page, 1000, rejected=True)
    made = library.forecast(100)
    assert (made.calls, made.expected_usd, made.median_usd, made.p90_usd) == (150, 0.15, 0.0015, 0.002)


def test_a_call_that_was_never_answered_counts_as_a_call_and_costs_nothing(library: Library) -> None:
    library.scan(SCAN, [1000] * 10)
    ask(library.ledger(), 1, 9999)
    assert (library.forecast(100).calls, library.forecast(100).expected_usd) == (110, 0.1)


def test_pages_that_needed_no_call_count_as_free(library: Library) -> None:
    library.scan(SCAN, [1000] * 4)
    library.settle(SCAN, dict.fromkeys(range(5, 21), 0))
    made = library.forecast(100)
    assert (made.calls, made.expected_usd, made.median_usd) == (20, 0.02, 0.0)
    assert made.basis == "from 20 pages of this scan"


def test_all_pages_at_the_90th_percentile_are_never_less_than_is_expected(library: Library) -> None:
    library.scan(SCAN, [1000])
    library.settle(SCAN, dict.fromkeys(range(2, 21), 0))
    made = library.forecast(100)
    assert (made.p90_usd, made.expected_usd, made.high_usd) == (0.0, 0.005, 0.005)


def test_a_page_that_was_given_up_on_cost_what_its_answers_cost(library: Library) -> None:
    library.scan(SCAN, [1000] * 9)
    pay(library.ledger(), 10, 3000, rejected=True)
    file = library.parts.store.checkpoint_file(StageRef(SCAN, ASKING))
    with file.exclusive() as checkpoint:
        checkpoint.fail(FailedPage(page=10, kind="refused", message="no sense in it"))
        file.save(checkpoint)
    made = library.forecast(10)
    assert (made.expected_usd, made.basis) == (0.012, "from 10 pages of this scan")


def test_a_page_under_way_is_no_history_yet(library: Library) -> None:
    library.scan(SCAN, [1000] * 10)
    pay(library.ledger(), 11, 50_000, rejected=True)
    assert library.forecast(10).expected_usd == 0.01


def test_a_page_that_was_done_again_counts_with_its_last_run_only(library: Library) -> None:
    library.scan(SCAN, [1000] * 10)
    library.ledger().retire(range(1, 11))
    for page in range(1, 11):
        pay(library.ledger(), page, 3000)
    assert library.forecast(10).expected_usd == 0.03


def test_pages_of_another_model_are_no_history(library: Library) -> None:
    library.scan(SCAN, [9000] * 20, model="the-model-before")
    library.add(SCAN, dict.fromkeys(range(21, 31), 1000))
    assert library.forecast(10).basis == "from 10 pages of this scan"
    assert library.forecast(10).expected_usd == 0.01


def test_each_model_has_its_share_of_the_free_pages(library: Library) -> None:
    library.scan(SCAN, [9000] * 20, model="the-model-before")
    library.add(SCAN, dict.fromkeys(range(21, 31), 1000))
    library.settle(SCAN, dict.fromkeys(range(31, 46), 0))
    made = library.forecast(15)
    assert (made.basis, made.calls, made.expected_usd) == ("from 15 pages of this scan", 10, 0.01)


def test_answers_that_had_no_price_say_nothing_of_the_cost(library: Library) -> None:
    library.scan(SCAN, [0] * 20, source="unpriced")
    assert library.forecast().basis.startswith("from a typical page")


def test_too_short_a_history_leaves_it_to_the_other_scans(library: Library) -> None:
    library.scan(SCAN, [9000] * 9)
    library.scan("another", [1000] * 6)
    library.scan("a-third", [2000] * 6)
    made = library.forecast(100)
    assert made.basis == "from 12 pages of 2 scans in this library"
    assert (made.expected_usd, made.median_usd) == (0.15, 0.0015)


def test_one_other_scan_is_called_that(library: Library) -> None:
    library.scan(SCAN)
    library.scan("another", [1000] * 12)
    assert library.forecast().basis == "from 12 pages of 1 other scan in this library"


def test_another_scan_that_cannot_be_read_is_left_out(library: Library) -> None:
    library.scan(SCAN)
    library.scan("another", [1000] * 12)
    library.scan("torn", [5000] * 12)
    library.parts.store.checkpoint_file(StageRef("torn", ASKING)).path.write_text("{")
    library.scan("strange", [5000] * 12)
    path = library.parts.store.checkpoint_file(StageRef("strange", ASKING)).path
    path.unlink()
    path.mkdir()
    assert library.forecast().basis == "from 12 pages of 1 other scan in this library"


def test_a_scan_that_cannot_be_read_is_no_scan_without_a_history(library: Library) -> None:
    library.scan(SCAN, [1000] * 10)
    path = library.parts.store.checkpoint_file(StageRef(SCAN, ASKING)).path
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError):
        library.forecast()


def test_an_output_folder_that_cannot_be_read_is_said(library: Library) -> None:
    library.scan(SCAN)
    library.parts.store.outputs(REF).path.touch()
    with pytest.raises(StorageError):
        library.forecast()


def test_without_any_history_the_text_that_is_there_is_counted(library: Library) -> None:
    library.scan(SCAN)
    for page in range(1, 6):
        library.parts.store.outputs(REF).save(page, stamp(page, "word " * 400))
    made = library.forecast(1000)
    # 500 tokens of text and 700 of instructions in, 500 out.
    assert made.median_usd == pytest.approx((1200 * 0.15 + 500 * 0.60) / 1e6)
    assert (made.calls, made.expected_usd, made.high_usd) == (1000, 0.48, 0.48)
    assert made.basis == ("from token counts and $0.15 in, $0.60 out a million tokens, set by LEAFMARK_PRICES")


def test_a_page_without_text_is_expected_to_need_no_call(library: Library) -> None:
    library.scan(SCAN)
    outputs = library.parts.store.outputs(StageRef(SCAN, "ocr"))
    outputs.save(1, printed(1))
    outputs.save(2, printed(2, "word " * 200, "word " * 200))
    made = library.forecast(1000)
    # A line feed between the two makes it 501 tokens.
    assert made.calls == 500
    assert made.expected_usd == pytest.approx((1201 * 0.15 + 501 * 0.60) / 2e3)


def test_the_latest_stage_that_has_text_is_counted(library: Library) -> None:
    library.scan(SCAN)
    library.parts.store.outputs(StageRef(SCAN, "ocr")).save(1, printed(1, "word " * 4000))
    library.parts.store.outputs(REF).save(1, stamp(1, "word " * 400))
    assert library.forecast(1000).expected_usd == 0.48


def test_a_damaged_output_is_not_counted(library: Library) -> None:
    library.scan(SCAN)
    outputs = library.parts.store.outputs(REF)
    outputs.save(1, stamp(1, "word " * 400))
    outputs.path_of(2).write_text("{")
    assert library.forecast(1000).expected_usd == 0.48


def test_without_any_text_a_typical_page_is_taken(library: Library) -> None:
    library.scan(SCAN)
    made = library.forecast(1000)
    # 660 tokens of text and 700 of instructions in, 660 out; 900 at the 90th percentile.
    assert made.expected_usd == pytest.approx((1360 * 0.15 + 660 * 0.60) / 1e3)
    assert made.high_usd == pytest.approx((1600 * 0.15 + 900 * 0.60) / 1e3)
    assert made.basis.startswith("from a typical page of 400 words and $0.15 in, $0.60 out a million tokens")


def test_a_picture_that_goes_along_costs_more(library: Library) -> None:
    library.scan(SCAN)
    plain, seeing = library.forecast(1000), library.with_settings(correction_vision=True).forecast(1000)
    assert plain.expected_usd is not None
    assert seeing.expected_usd == pytest.approx(plain.expected_usd + 1500 * 0.15 / 1e3)


def test_a_stage_that_asks_about_few_pages_is_expected_to_make_few_calls(library: Library) -> None:
    library.scan(SCAN)
    assert library.forecast(1000, stage=FIX).calls == 150


def test_a_listed_price_comes_with_the_version_of_the_list(library: Library) -> None:
    library.scan(SCAN)
    basis = library.with_settings(correction_model="gpt-4o-mini", prices="").forecast().basis
    assert "$0.15 in, $0.60 out a million tokens, genai-prices " in basis


def test_without_a_price_the_calls_are_told_and_no_cost(library: Library) -> None:
    library.scan(SCAN)
    made = library.with_settings(prices="").forecast(40)
    assert (made.calls, made.expected_usd, made.high_usd, made.median_usd) == (40, None, None, None)
    assert describe(made) == [f"{ASKING}: 40 pages, about 40 calls, cost unknown (no price is known for {MODEL})"]


def test_without_a_model_the_setting_is_named(library: Library) -> None:
    library.scan(SCAN)
    assert library.with_settings(correction_model="").forecast().basis == "LEAFMARK_CORRECTION_MODEL is not set"


def test_no_pages_cost_nothing(library: Library) -> None:
    library.scan(SCAN, [1000] * 10)
    made = library.forecast(0)
    assert (made.pages, made.calls, made.expected_usd, made.high_usd) == (0, 0, 0.0, 0.0)


def test_people_are_told_the_whole_and_a_page() -> None:
    made = Forecast(ASKING, 447, 460, 1.92, 2.4, 0.0041, 0.00537, "from 380 pages of this scan")
    assert describe(made) == [
        (
            "correction: 447 pages, about 460 calls, $1.92 expected, $2.40 at the 90th percentile "
            "(from 380 pages of this scan)"
        ),
        "correction: a page costs $0.0041 at the median, $0.0054 at the 90th percentile",
    ]


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0.0, "$0.00"), (0.000002, "$0.000002"), (0.0031, "$0.0031"), (0.5, "$0.50"), (1234.5, "$1,234.50")],
)
def test_small_amounts_keep_the_digits_that_count(amount: float, shown: str) -> None:
    made = Forecast(ASKING, 1, 1, amount, amount, amount, amount, "from 10 pages of this scan")
    assert f"{shown} expected" in describe(made)[0]


def test_the_json_form_has_every_figure(library: Library) -> None:
    library.scan(SCAN, [1000] * 10)
    assert library.forecast(10).as_json() == {
        "stage": ASKING,
        "pages": 10,
        "calls": 10,
        "expected_usd": 0.01,
        "high_usd": 0.01,
        "median_usd": 0.001,
        "p90_usd": 0.001,
        "basis": "from 10 pages of this scan",
    }


@dataclass
class Opened:
    """What was opened, in order: checkpoints, and the ledger folders of pages."""

    checkpoints: list[Path]
    pages: list[Path]


@pytest.fixture
def opened(library: Library, monkeypatch: pytest.MonkeyPatch) -> Opened:
    seen = Opened([], [])
    read, listdir = CheckpointFile.read, os.listdir

    def spy_read(file: CheckpointFile) -> Any:
        seen.checkpoints.append(file.path)
        return read(file)

    def spy_listdir(path: Any) -> list[str]:
        if library.root in Path(path).parents and Path(path).name.startswith("page_"):
            seen.pages.append(Path(path))
        return listdir(path)

    monkeypatch.setattr(CheckpointFile, "read", spy_read)
    monkeypatch.setattr(os, "listdir", spy_listdir)
    return seen


def test_nothing_is_read_twice(library: Library, opened: Opened) -> None:
    library.scan(SCAN, [1000] * 5)
    library.scan("another", [1000] * 12)
    opened.checkpoints.clear()
    opened.pages.clear()
    assert library.forecast().basis == "from 12 pages of 1 other scan in this library"
    assert (len(opened.checkpoints), len(set(opened.checkpoints))) == (2, 2)
    assert (len(opened.pages), len(set(opened.pages))) == (17, 17)


def test_a_long_book_is_looked_at_here_and_there(library: Library, opened: Opened) -> None:
    library.scan(SCAN, [1000] * 10)
    library.settle(SCAN, dict.fromkeys(range(11, 5001), 0))
    opened.pages.clear()
    assert library.forecast(10).basis == "from 500 pages of this scan"
    assert len(opened.pages) == 500
    assert opened.pages[-1].name == "page_4991"


def test_of_thousands_of_scans_the_latest_twenty_are_opened(library: Library, opened: Opened) -> None:
    for number in range(2000):
        folder = library.root / f"scan-{number:04d}"
        library.ledger(folder.name).path.mkdir(parents=True)
        (folder / "metadata.json").touch()
    library.scan(SCAN)
    for number in range(20):
        name = f"late-{number}"
        library.scan(name, [1000])
        os.utime(library.ledger(name).path, (4e9, 4e9))
    library.scan("early", [1000] * 20)
    os.utime(library.ledger("early").path, (1e9, 1e9))
    opened.checkpoints.clear()
    made = library.forecast()
    assert made.basis == "from 20 pages of 20 scans in this library"
    assert {path.parts[-3][:5] for path in opened.checkpoints} == {"late-"}
    assert len(opened.checkpoints) == 20

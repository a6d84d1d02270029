"""A page that was scanned turned: the stage that reads it, the stages after it, the report, and the profile."""

import base64
import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from checkpointing.refs import StageRef
from producer.ingest.profile_change import change_profile
from producer.ingest.profile_options import parse_changes
from producer.planning.stale import find_stale
from producer.report.collect import collect
from producer.report.render import render as render_report
from sample import pages
from sample.one_page import OnePage
from sample.render import render
from tests.support.report_book import SCAN, ReportBook, make_book
from tests.support.scanned_pages import turned
from worker.config.configured_stages import ConfiguredStages
from worker.config.settings import Settings
from worker.ocr.boxes import Box
from worker.ocr.engines.base import Engine, OcrLine
from worker.pages.book_profile import BookProfile
from worker.pages.geometry.gutter import Gutter, Half
from worker.pages.sources.base import PageImage
from worker.pipeline.provenance import describe, source_sha256
from worker.pipeline.stage_inputs import ScanInputs
from worker.stages.ocr import OcrPage, OcrStage
from worker.stages.options import OcrOptions


class OneLineEngine(Engine):
    """Reads one line in the upper left, and keeps the picture that it was given."""

    name = "one-line"
    package = "none"
    languages = "none"
    version = "one-line 1"

    def __init__(self) -> None:
        super().__init__(None)
        self.given: list[Image.Image] = []

    def load(self) -> None:
        """Load nothing."""

    def recognise(self, image: Image.Image) -> list[OcrLine]:
        self.given.append(image)
        return [OcrLine("a line of text", 0.95, Box(100, 200, 400, 30))]


@cache
def text_page() -> Image.Image:
    """A page whose text is hardly crooked, so that it is only turned."""
    return render(next(page for page in pages() if page.number == 7)).resize((625, 875))


def read(image: Image.Image, **options: str) -> tuple[OcrPage, Image.Image]:
    """Return the output, and the picture that the engine was given."""
    engine = OneLineEngine()
    return OcrStage(OcrOptions(**options), engine).run(1, OnePage(PageImage(image, dpi=300.0))), engine.given[0]


def test_a_sideways_page_is_read_upright() -> None:
    page, given = read(turned(text_page(), 90))
    assert page.geometry is not None
    assert (page.geometry.quarter_turns, page.geometry.skew) == (3, 0)
    assert np.array_equal(given, text_page())
    assert (page.page_dimensions.width, page.page_dimensions.height) == text_page().size
    assert OcrPage.model_validate_json(page.model_dump_json()) == page


class ThreePages(OnePage):
    """A plate between two pages of text that lie on their side."""

    total_pages = 3

    def __init__(self) -> None:
        """Render pages as they are asked for."""

    def image(self, page: int) -> PageImage:
        plate = Image.effect_noise((875, 625), 120).convert("RGB")
        return PageImage(plate if page == 2 else turned(text_page(), 90), dpi=300.0)


def test_a_page_that_does_not_tell_its_turn_is_turned_like_its_neighbours() -> None:
    page = OcrStage(OcrOptions(), engine=OneLineEngine()).run(2, ThreePages())
    assert page.geometry is not None
    assert (page.geometry.quarter_turns, page.geometry.turned_like) == (3, (1, 3))
    assert page.geometry.words() == "turned by 270 degrees like pages 1 and 3"
    assert page.page_dimensions.width == 625
    assert OcrPage.model_validate_json(page.model_dump_json()) == page


def test_an_upright_page_is_read_as_it_was_scanned_and_records_no_geometry() -> None:
    page, given = read(text_page())
    assert given is text_page()
    assert "geometry" not in page.model_dump(mode="json")


def test_a_step_that_is_off_leaves_the_page() -> None:
    scanned = turned(text_page(), 90)
    page, given = read(scanned, ocr_rotate="off")
    assert given is scanned
    assert page.geometry is None


def test_a_value_that_is_set_is_recorded() -> None:
    page, given = read(text_page(), ocr_rotate="180", ocr_deskew="off", ocr_crop="10,0,10,0")
    assert page.geometry is not None
    assert page.geometry.words() == "cropped, turned by 180 degrees"
    assert given.size == (500, 875)


def test_a_page_that_may_be_turned_is_doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    def never_sure(pictures: Any) -> Any:
        return np.full(len(pictures), 0.5)

    monkeypatch.setattr("worker.ocr.engines.rapid.engine.load_direction_classifier", lambda: never_sure)
    page, _ = read(turned(text_page(), 90))
    assert [doubt.kind for doubt in page.doubtful] == ["unclear_turn"]


def test_the_recipe_names_what_is_not_automatic() -> None:
    def recipe(**options: str) -> str:
        return OcrStage(OcrOptions(**options), OneLineEngine()).recipe

    off = {"ocr_rotate": "off", "ocr_deskew": "off", "ocr_crop": "off"}
    assert recipe() == f"{recipe(**off)}, geometry 2"
    assert recipe(ocr_rotate="90") == f"{recipe()}, rotate 90"


def test_another_geometry_uses_the_same_engine() -> None:
    stages = ConfiguredStages(Settings())
    usual = stages.get("ocr")
    metadata = type("Metadata", (), {"profile_of": lambda _self, _page: BookProfile(rotate="off")})()
    other = stages.get_for(metadata, "ocr", 1)
    assert other.recipe == f"{usual.recipe}, rotate off"
    assert other._engine is usual._engine  # type: ignore[attr-defined]


@pytest.fixture
def book(tmp_path: Path) -> ReportBook:
    """A book of one page that was scanned on its side, cropped and read."""
    made = make_book(tmp_path / "root", [turned(text_page(), 270)])
    output = made.read_with_places()
    geometry = {
        "source": {"width": 875, "height": 625},
        "box": [75, 25, 800, 600],
        "quarter_turns": 1,
        "skew": 0.0,
        "confidence": {"crop": 0.9, "rotate": 1.0, "deskew": 0.9},
    }
    for page in output.values():
        page["geometry"] = geometry
        page["page_dimensions"] = {"width": 600, "height": 800}
    made.complete("ocr", output)
    return made


def test_later_stages_see_the_page_as_it_was_read(book: ReportBook) -> None:
    store, calls = book.parts.store, book.parts.calls
    for stage, size in (("ocr", (875, 625)), ("correction", (600, 800)), ("fix", (600, 800))):
        inputs = ScanInputs(store, calls, StageRef(SCAN, stage), 1, lambda: True)
        assert inputs.image(1).image.size == size


def test_the_report_shows_the_page_as_read_and_as_scanned(book: ReportBook) -> None:
    report = collect(book.parts.store, SCAN)
    pictures = report.pictures[1]
    assert (pictures.width, pictures.height) == (600, 800)
    assert pictures.scanned is not None
    scanned = Image.open(io.BytesIO(base64.b64decode(pictures.scanned.partition(",")[2])))
    assert scanned.width > scanned.height
    html = render_report(report)
    assert "<summary>Cropped, turned by 90 degrees</summary>" in html
    assert 'alt="Page 1 as scanned"' in html


def test_a_changed_geometry_in_the_profile_makes_pages_stale(book: ReportBook) -> None:
    store, ref = book.parts.store, StageRef(SCAN, "ocr")

    def made_from(profile: BookProfile) -> str:
        metadata = store.metadata(SCAN).model_copy(update={"profile": profile})
        source = {"source": source_sha256(metadata.source.place_of(1))}
        return describe(store.stages.get_for(metadata, "ocr", 1), source).digest()

    with store.checkpoint_file(ref).exclusive() as checkpoint:
        record = checkpoint.pages[1]
        records = {1: type(record)(sha256=record.sha256, made_from=made_from(BookProfile()))}
    assert not find_stale(store, ref, records)
    wanted, _ = parse_changes(["rotate=off"], [])
    changed = store.with_metadata(change_profile(store.scan(SCAN), wanted))
    assert sorted(find_stale(changed, ref, records)) == [1]
    assert store.metadata(SCAN).profile.words() == "rotate off"


@pytest.mark.parametrize("step", ["auto", "off"])
def test_a_half_of_a_spread_is_read_alone_and_recorded_on_its_whole_picture(step: str) -> None:
    spread = Image.new("RGB", (1250, 875), "black")
    spread.paste(text_page(), (0, 0))
    engine = OneLineEngine()
    options = OcrOptions(ocr_rotate=step, ocr_deskew=step, ocr_crop="off")
    half = Half(Gutter(top=(0.5, 0.0), bottom=(0.5, 1.0)), "left")
    page = OcrStage(options, engine).run(1, OnePage(PageImage(spread, dpi=300.0, half=half)))
    assert page.geometry is not None
    assert (page.geometry.source.width, page.geometry.box) == (1250, (0, 0, 625, 875))
    assert np.array_equal(engine.given[0], text_page())

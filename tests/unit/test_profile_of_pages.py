"""A profile for some pages of a book: kept beside that of the book, and used wherever these pages are read."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from checkpointing.errors import InputError, SettingsError
from checkpointing.messages import Pause
from checkpointing.refs import StageRef
from producer.ingest.ingest_source import ingest
from producer.planning.enqueue import plan
from producer.planning.replace_page import replace_page
from producer.planning.request import Request
from producer.planning.stale import find_stale
from producer.report.pictures import pictures_of
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment
from tests.support.stages import ReaderStage
from worker.config.configured_stages import ConfiguredStages
from worker.deployment import Deployment
from worker.pages.book_profile import NO_PROFILE, BookProfile, PageProfile
from worker.pages.metadata import ScanMetadata
from worker.pages.scan import ScanFolder
from worker.pipeline.stage_inputs import ScanInputs
from worker.queue.messages import Outcome
from worker.stages.registry import STAGES

GERMAN = BookProfile(engine="tesseract", lang="deu")
GREEK = BookProfile(lang="ell")


@pytest.fixture
def fake(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """A book of five pages in German."""
    monkeypatch.setitem(STAGES, STAGE, ReaderStage)
    fake.ask_for((1, 5))
    write(fake, profile=GERMAN.model_dump())
    return fake


def write(fake: FakeDeployment, scan_id: str = SCAN, **fields: Any) -> None:
    """Write fields into the metadata of a book."""
    path = fake.parts.store.scan(scan_id).metadata_path
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def own(*ranges: tuple[int, int], **profile: Any) -> dict[str, Any]:
    """An entry of `page_profiles`."""
    return {"pages": [list(pages) for pages in ranges], "profile": profile}


def read_all(fake: FakeDeployment) -> None:
    for page in range(1, 6):
        assert fake.process(page) is Outcome.COMPLETE
    fake.commit()


def stale(fake: FakeDeployment) -> list[int]:
    parts = fake.another_process()
    return sorted(find_stale(parts.store, REF, parts.store.checkpoint_file(REF).read().pages))


def test_metadata_without_profiles_of_pages_has_the_form_of_earlier_versions(fake: FakeDeployment) -> None:
    metadata = fake.parts.store.metadata(SCAN)
    assert "page_profiles" not in metadata.model_dump(mode="json")
    assert [metadata.profile_of(page) for page in (1, 5)] == [GERMAN, GERMAN]
    assert metadata.profiles() == (GERMAN,)


def test_metadata_keeps_the_profiles_of_pages(fake: FakeDeployment) -> None:
    page_profiles = (PageProfile(pages=((2, 3), (5, 5)), profile=GREEK),)
    metadata = fake.parts.store.metadata(SCAN).model_copy(update={"page_profiles": page_profiles})
    form = metadata.model_dump_json()
    assert json.loads(form)["page_profiles"] == [{"pages": [[2, 3], [5, 5]], "profile": {"lang": "ell"}}]
    assert ScanMetadata.model_validate_json(form) == metadata


def test_a_page_has_the_fields_of_its_own_and_the_others_of_the_book(fake: FakeDeployment) -> None:
    write(fake, page_profiles=[own((2, 3), (5, 5), lang="ell"), own((4, 4), dpi=600)])
    metadata = fake.parts.store.metadata(SCAN)
    greek, fine = GERMAN.changed_by(GREEK), GERMAN.changed_by(BookProfile(dpi=600))
    assert [metadata.profile_of(page) for page in range(1, 6)] == [GERMAN, greek, greek, fine, greek]
    assert metadata.profiles() == (GERMAN, greek, fine)


def test_profiles_that_apply_to_no_page_or_twice_are_not_repeated(fake: FakeDeployment) -> None:
    write(fake, page_profiles=[own((1, 3), lang="ell"), own((4, 4), lang="ell", engine="tesseract"), own((5, 5))])
    metadata = fake.parts.store.metadata(SCAN)
    assert metadata.profiles() == (GERMAN.changed_by(GREEK), GERMAN)


@pytest.mark.parametrize(
    ("page_profiles", "problem"),
    [
        ([own()], r"page_profiles\.0\.pages: "),
        ([own((3, 2))], r"page_profiles\.0\.pages: .* 3-2 are out of order"),
        ([own((2, 3), (3, 4))], r"page_profiles\.0\.pages: .* 3-4 are out of order, or in two ranges"),
        ([own((2, 3)), own((1, 2))], "2-3 are out of order, or in two ranges"),
        ([own((2, 9))], "page_profiles names page 9, but total_pages is 5"),
        ([own((0, 1))], r"page_profiles\.0\.pages\.0"),
        ([own((2, 3), lang="../x")], r"page_profiles\.0\.profile\.lang"),
    ],
)
def test_wrong_pages_are_named(fake: FakeDeployment, page_profiles: list[dict[str, Any]], problem: str) -> None:
    write(fake, page_profiles=page_profiles)
    with pytest.raises(InputError, match=rf"metadata\.json is broken \(.*{problem}"):
        fake.parts.store.metadata(SCAN)


def test_a_page_is_read_by_its_profile_and_says_so(fake: FakeDeployment) -> None:
    write(fake, page_profiles=[own((2, 3), lang="ell"), own((5, 5), dpi=400)])
    read_all(fake)
    outputs = [json.loads(fake.output_path(page).read_bytes()) for page in range(1, 6)]
    engines = ["tesseract deu", "tesseract ell", "tesseract ell", "tesseract deu", "tesseract deu"]
    assert [each["text"] for each in outputs] == engines
    recipes = [*engines[:4], "tesseract deu; 400 dpi"]
    assert [each["made_from"]["recipe"] for each in outputs] == recipes
    assert stale(fake) == []


def test_only_the_pages_become_stale_whose_profile_changed(fake: FakeDeployment) -> None:
    read_all(fake)
    write(fake, page_profiles=[own((2, 3), lang="ell")])
    assert stale(fake) == [2, 3]
    write(fake, page_profiles=[own((2, 3), lang="deu"), own((4, 4), dpi=400)])
    assert stale(fake) == [4]
    write(fake, page_profiles=[own((1, 1), (4, 5), lang="deu")], profile={"engine": "tesseract", "lang": "ell"})
    assert stale(fake) == [2, 3]


def test_a_plan_names_the_old_and_the_new_method_of_each_page(fake: FakeDeployment) -> None:
    read_all(fake)
    write(fake, page_profiles=[own((2, 2), lang="ell"), own((4, 4), lang="lat")])
    made = plan(fake.another_process().store, Request(SCAN, STAGE))
    assert {page: why.words() for page, why in made.stale.items()} == {
        2: "the engine or the stage changed from 'tesseract deu' to 'tesseract ell'",
        4: "the engine or the stage changed from 'tesseract deu' to 'tesseract lat'",
    }


def test_the_method_is_found_once_for_each_profile_however_many_pages_it_has(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_all(fake)
    records = fake.checkpoint().pages
    fake.write_scan("long", pages=2000)
    even = [(page, page) for page in range(2, 2001, 2)]
    write(fake, "long", profile=GERMAN.model_dump(), page_profiles=[own(*even, lang="ell")])
    asked: list[int] = []
    get_for = ConfiguredStages.get_for

    def count(stages: ConfiguredStages, metadata: ScanMetadata, name: str, page: int) -> Any:
        asked.append(page)
        return get_for(stages, metadata, name, page)

    monkeypatch.setattr(ConfiguredStages, "get_for", count)
    all_records = dict.fromkeys(range(1, 2001), records[1])
    found = find_stale(fake.another_process().store, StageRef("long", STAGE), all_records)
    assert {page for page, why in found.items() if why.method} == set(range(2, 2001, 2))
    assert len(asked) == 2


class OnlyGermanStage(ReaderStage):
    """Its engine has the data of one language."""

    @property
    def recipe(self) -> str:
        if self.options.ocr_lang != "deu":
            raise SettingsError(f"Tesseract has no data for {self.options.ocr_lang!r}; install it")
        return super().recipe


def test_a_page_waits_where_the_worker_lacks_what_its_profile_names_and_the_others_are_read(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, STAGE, OnlyGermanStage)
    fake.parts = Deployment(fake.settings, fake.app, fake.redis)
    write(fake, page_profiles=[own((2, 2), lang="ell")])
    assert fake.process(1) is Outcome.COMPLETE
    fake.commit()
    assert fake.process(2) is Outcome.PAUSED
    entry: Any = fake.entries()[0]
    assert isinstance(entry, Pause)
    assert entry.reason == "a worker lacks what this book needs: Tesseract has no data for 'ell'; install it"
    # What this machine cannot tell makes nothing stale; what it can does.
    write(fake, page_profiles=[own((1, 1), lang="ell")])
    assert stale(fake) == []
    write(fake, page_profiles=[own((1, 1), dpi=400), own((2, 2), lang="ell")])
    assert stale(fake) == [1]


class EngineStage(ReaderStage):
    """Its queue depends on the engines of a book."""

    has_engine = True


def test_a_book_goes_to_workers_that_can_read_each_of_its_pages(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, STAGE, EngineStage)
    write(fake, page_profiles=[own((2, 2), lang="ell")])
    store = fake.another_process().store
    assert store.queue_of(REF) == f"{STAGE}:tesseract:deu:antiqua|tesseract:ell:antiqua"
    write(fake, page_profiles=[own((1, 5), lang="ell")])
    assert store.queue_of(REF) == f"{STAGE}:tesseract:ell:antiqua"


def two_sizes(fake: FakeDeployment, folder: Path) -> None:
    """Ingest a PDF with three empty pages of an inch by two, the second of which is read at 100 dpi."""
    path = folder / "two.pdf"
    page = Image.new("L", (72, 144), "white")
    page.save(path, save_all=True, append_images=[page, page], resolution=72)
    ingest(path, fake.root, scan_id="two", profile=BookProfile(dpi=200))
    write(fake, "two", page_profiles=[own((2, 2), dpi=100)])


def test_pages_are_rendered_at_the_resolution_of_their_profile(fake: FakeDeployment, tmp_path: Path) -> None:
    two_sizes(fake, tmp_path)
    inputs = ScanInputs(fake.parts.store, fake.parts.calls, StageRef("two", STAGE), 1, lambda: True)
    assert [inputs.image(page).image.size for page in (1, 2, 3)] == [(200, 400), (100, 200), (200, 400)]


def test_the_report_shows_pages_at_the_resolution_of_their_profile(fake: FakeDeployment, tmp_path: Path) -> None:
    two_sizes(fake, tmp_path)
    store = fake.parts.store
    pictures = pictures_of(store, store.metadata("two"), dict.fromkeys([1, 2, 3]), bool)
    assert [(pictures[page].width, pictures[page].height) for page in (1, 2, 3)] == [
        (150, 300),
        (100, 200),
        (150, 300),
    ]


def test_a_page_that_is_replaced_keeps_its_profile(
    fake: FakeDeployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    settings_for = ConfiguredStages.settings_for

    def note(stages: ConfiguredStages, metadata: ScanMetadata, page: int) -> Any:
        asked.append(settings_for(stages, metadata, page).dpi)
        return settings_for(stages, metadata, page)

    two_sizes(fake, tmp_path)
    new = tmp_path / "new.pdf"
    Image.new("L", (72, 144), "white").save(new, resolution=72)
    monkeypatch.setattr(ConfiguredStages, "settings_for", note)
    replace_page(fake.parts, "two", 2, new)
    assert 100 in asked
    metadata = ScanFolder(fake.root, "two").read_metadata()
    assert metadata.profile_of(2) == BookProfile(dpi=100)
    assert metadata.profile_of(1) != NO_PROFILE

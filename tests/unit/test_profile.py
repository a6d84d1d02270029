"""The profile of a book: kept in its metadata, before the settings of the worker wherever its pages are read."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from checkpointing.errors import InputError, SettingsError
from checkpointing.messages import Pause
from checkpointing.refs import StageRef
from producer import setting_options as config
from producer.cli import app
from producer.ingest.ingest_source import ingest
from producer.ingest.profile_change import change_profile
from producer.run.book_run import BookRun
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment
from tests.support.stages import ReaderStage, StampStage, raising
from worker.config.settings import ENV_PREFIX, Settings
from worker.deployment import Deployment
from worker.pages.book_profile import NO_PROFILE, BookProfile
from worker.pages.metadata import ScanMetadata
from worker.pages.scan import ScanFolder
from worker.pipeline.provenance import describe
from worker.pipeline.stage_inputs import ScanInputs
from worker.queue.messages import Outcome
from worker.stages.registry import STAGES

FULL = BookProfile(dpi=400, lang="deu+frk", engine="tesseract")


@pytest.fixture
def fake(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    monkeypatch.setitem(STAGES, STAGE, ReaderStage)
    fake.ask_for((1, 5))
    return fake


@pytest.fixture
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage root of the test's own; what options change in the environment is put back."""
    for name in Settings.model_fields:
        monkeypatch.setenv(f"{ENV_PREFIX}{name.upper()}", "")
        monkeypatch.delenv(f"{ENV_PREFIX}{name.upper()}")
    monkeypatch.setattr(config, "_by_option", set())
    monkeypatch.setenv("LEAFMARK_CONFIG", "")
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(tmp_path / "scans"))
    (tmp_path / "scans").mkdir()


def pdf(path: Path) -> Path:
    """A PDF with two empty pages of an inch by two."""
    page = Image.new("L", (72, 144), "white")
    page.save(path, save_all=True, append_images=[page], resolution=72)
    return path


def write_profile(scan: ScanFolder, profile: dict[str, Any] | None) -> None:
    form = json.loads(scan.metadata_path.read_text())
    scan.metadata_path.write_text(json.dumps({**form, "profile": profile}))


def profile_of(root: Path, scan_id: str) -> BookProfile:
    return ScanFolder(root, scan_id).read_metadata().profile


def test_metadata_without_a_profile_has_the_form_of_earlier_versions(fake: FakeDeployment) -> None:
    metadata = fake.parts.store.metadata(SCAN)
    assert metadata.profile == NO_PROFILE
    assert "profile" not in metadata.model_dump(mode="json")


def test_metadata_keeps_what_a_profile_says_and_leaves_out_the_rest(fake: FakeDeployment) -> None:
    metadata = fake.parts.store.metadata(SCAN).model_copy(update={"profile": BookProfile(dpi=400)})
    assert json.loads(metadata.model_dump_json())["profile"] == {"dpi": 400}
    assert ScanMetadata.model_validate_json(metadata.model_dump_json()) == metadata


def test_a_profile_of_a_newer_version_is_read(fake: FakeDeployment) -> None:
    write_profile(fake.parts.store.scan(SCAN), {"dpi": 400, "engine": "kraken", "dewarp": True})
    assert fake.parts.store.metadata(SCAN).profile == BookProfile(dpi=400, engine="kraken")


@pytest.mark.parametrize(
    ("profile", "where"),
    [
        ({"dpi": 9000}, "profile.dpi"),
        ({"dpi": "much"}, "profile.dpi"),
        ({"lang": "../../etc/passwd"}, "profile.lang"),
        ({"lang": ""}, "profile.lang"),
        ({"engine": "a b"}, "profile.engine"),
    ],
)
def test_a_wrong_value_in_a_profile_is_named(fake: FakeDeployment, profile: dict[str, Any], where: str) -> None:
    write_profile(fake.parts.store.scan(SCAN), profile)
    with pytest.raises(InputError, match=rf"metadata\.json is broken \({where}.*: "):
        fake.parts.store.metadata(SCAN)


@pytest.mark.parametrize(
    ("own", "profile", "expected"),
    [
        ({}, NO_PROFILE, (300, "rapidocr", "eng")),
        ({}, FULL, (400, "tesseract", "deu+frk")),
        ({"ocr_engine": "tesseract", "dpi": 150}, BookProfile(lang="deu"), (150, "tesseract", "deu")),
        (
            {"ocr_engine": "tesseract", "ocr_lang": "deu"},
            BookProfile(engine="tesseract"),
            (300, "tesseract", "deu"),
        ),
        # RapidOCR takes no notice of the language: one is enough for all.
        ({}, BookProfile(lang="deu"), (300, "rapidocr", "eng")),
    ],
)
def test_a_profile_goes_before_the_settings_and_the_rest_is_as_set(
    own: dict[str, Any], profile: BookProfile, expected: tuple[int, str, str]
) -> None:
    settings = Settings(**own).with_profile(profile)
    assert (settings.dpi, settings.ocr_engine, settings.ocr_lang) == expected


def test_a_recipe_without_a_profile_is_that_of_earlier_versions(fake: FakeDeployment) -> None:
    stage = fake.parts.store.stages.get(STAGE)
    assert describe(stage, {}).recipe == describe(stage, {}, "", NO_PROFILE).recipe == "rapidocr eng"
    assert describe(stage, {}, "", BookProfile(dpi=400)).recipe == "rapidocr eng; 400 dpi"


def test_a_page_is_read_by_the_profile_of_its_book_and_says_so(fake: FakeDeployment) -> None:
    write_profile(fake.parts.store.scan(SCAN), FULL.model_dump())
    fake.write_scan("other")
    assert fake.process(1) is fake.process(1, "other") is Outcome.COMPLETE
    read, other = (json.loads(fake.output_path(1, scan_id).read_bytes()) for scan_id in (SCAN, "other"))
    assert (read["text"], read["made_from"]["recipe"]) == ("tesseract deu+frk", "tesseract deu+frk; 400 dpi")
    assert (other["text"], other["made_from"]["recipe"]) == ("rapidocr eng", "rapidocr eng")


def test_an_engine_is_made_once_for_all_books_of_a_profile(fake: FakeDeployment) -> None:
    parts, metadata = fake.parts, fake.parts.store.metadata(SCAN)
    profiled = metadata.model_copy(update={"profile": FULL})
    finer = metadata.model_copy(update={"profile": FULL.changed_by(BookProfile(dpi=600))})
    assert parts.store.stages.get_for(metadata, STAGE, 1) is parts.store.stages.get(STAGE)
    assert parts.store.stages.get_for(profiled, STAGE, 1) is parts.store.stages.get_for(finer, STAGE, 2)
    assert parts.store.stages.get_for(profiled, STAGE, 1) is not parts.store.stages.get(STAGE)
    assert parts.store.stages.get_for(profiled, "structure", 1) is parts.store.stages.get("structure")


def test_the_ocr_stage_gets_the_engine_and_the_language_of_the_profile(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, str]] = []

    def make_engine(options: Settings) -> object:
        made.append((options.ocr_engine, options.ocr_lang))
        return object()

    monkeypatch.setattr("worker.ocr.engines.registry.make_engine", make_engine)
    metadata = fake.parts.store.metadata(SCAN)
    for profile in (NO_PROFILE, FULL, FULL, BookProfile(lang="deu")):
        fake.parts.store.stages.get_for(metadata.model_copy(update={"profile": profile}), "ocr", 1)
    assert made == [("rapidocr", "eng"), ("tesseract", "deu+frk")]


def test_pages_are_rendered_at_the_resolution_of_the_profile(fake: FakeDeployment, tmp_path: Path) -> None:
    for scan_id, profile in (("fine", BookProfile(dpi=600)), ("plain", NO_PROFILE)):
        ingest(pdf(tmp_path / "one.pdf"), fake.root, scan_id=scan_id, profile=profile)
    sizes = {
        scan_id: ScanInputs(fake.parts.store, fake.parts.calls, StageRef(scan_id, STAGE), 2, lambda: True)
        .image(2)
        .image.size
        for scan_id in ("fine", "plain")
    }
    assert sizes == {"fine": (600, 1200), "plain": (300, 600)}


class NoEngineStage(StampStage):
    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        if settings.ocr_engine == "kraken":
            raise SettingsError("there is no OCR engine 'kraken'; choose rapidocr or tesseract")
        self.act = raising(SettingsError("Tesseract has no data for 'deu'; install it"))


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ({"engine": "kraken"}, "there is no OCR engine 'kraken'; choose rapidocr or tesseract"),
        ({"engine": "tesseract", "lang": "deu"}, "Tesseract has no data for 'deu'; install it"),
    ],
)
def test_a_page_waits_where_the_worker_lacks_what_the_profile_names(
    fake: FakeDeployment, profile: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, STAGE, NoEngineStage)
    parts = Deployment(fake.settings, fake.app, fake.redis)
    fake.parts = parts
    write_profile(parts.store.scan(SCAN), profile)
    for _ in range(4):
        assert fake.process(3) is Outcome.PAUSED
    assert parts.queues.redis.hget(parts.queues.keys.attempts(REF), "3") in {None, b"0"}
    entry: Any = fake.entries()[0]
    assert isinstance(entry, Pause)
    assert entry.reason == f"a worker lacks what this book needs: {reason}"


def test_a_change_of_the_profile_keeps_the_rest_of_the_metadata(fake: FakeDeployment) -> None:
    scan = fake.parts.store.scan(SCAN)
    write_profile(scan, {"dpi": 400, "dewarp": True})
    before = json.loads(scan.metadata_path.read_text()) | {"of_a_newer_version": 1}
    scan.metadata_path.write_text(json.dumps(before))
    changed = change_profile(scan, BookProfile(lang="deu"))
    assert changed.profile == BookProfile(dpi=400, lang="deu")
    profile = {"dpi": 400, "dewarp": True, "lang": "deu"}
    assert json.loads(scan.metadata_path.read_text()) == {**before, "profile": profile}
    written = scan.metadata_path.stat()
    change_profile(scan, BookProfile(dpi=400))
    assert scan.metadata_path.stat() == written


@pytest.mark.usefixtures("_own_settings")
def test_ingest_records_its_options_and_another_ingest_changes_only_those_given(tmp_path: Path) -> None:
    # Written once: a PDF contains the second in which it was made.
    source = str(pdf(tmp_path / "book.pdf"))

    def ingest_command(*options: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, ["ingest", source, "--json", *options])
        assert done.exit_code == 0, done.output
        form: dict[str, Any] = json.loads(done.stdout)
        return form

    def said() -> dict[str, Any]:
        return profile_of(tmp_path / "scans", "book").model_dump()

    assert ingest_command("--dpi", "400", "--lang", "deu+frk", "--engine", "tesseract")["created"]
    assert said() == FULL.model_dump()
    assert ingest_command()["profile"] == said() == FULL.model_dump()
    change_profile(ScanFolder(tmp_path / "scans", "book"), BookProfile(dpi=600), pages={2})
    again = ingest_command("--lang", "deu")
    assert again["page_profiles"] == [{"pages": [[2, 2]], "profile": {"dpi": 600}}]
    assert (again["created"], again["profile"]) == (False, {**FULL.model_dump(), "lang": "deu"})
    assert said() == again["profile"]


@pytest.mark.usefixtures("_own_settings")
@pytest.mark.parametrize("command", ["ingest", "run"])
def test_turn_skew_and_crop_are_recorded_with_a_new_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BookRun, "_use_own_workers", stop)
    options = ["--rotate", "90", "--deskew", "-1.5", "--crop", "5,0,5,2"]
    CliRunner().invoke(app, [command, str(pdf(tmp_path / "book.pdf")), *options])
    assert profile_of(tmp_path / "scans", "book").words() == "rotate 90, deskew -1.5, crop 5,0,5,2"


@pytest.mark.usefixtures("_own_settings")
def test_ingest_records_no_setting_that_was_not_given_as_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAFMARK_DPI", "150")
    done = CliRunner().invoke(app, ["--set", "max_pixels=2000000", "ingest", str(pdf(tmp_path / "book.pdf"))])
    assert (done.exit_code, profile_of(tmp_path / "scans", "book")) == (0, NO_PROFILE)


@pytest.mark.usefixtures("_own_settings")
@pytest.mark.parametrize("command", ["ingest", "run"])
def test_a_language_that_the_engine_of_the_book_ignores_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def told(*options: str) -> str:
        return CliRunner().invoke(app, [command, str(pdf(tmp_path / "book.pdf")), *options]).stderr

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BookRun, "_use_own_workers", stop)
    ignored = "book: --lang deu has no effect, because the engine rapidocr takes no notice of it; add --engine tess"
    assert ignored in told("--lang", "deu")
    assert "no effect" not in told("--lang", "deu", "--engine", "tesseract", "--scan-id", "other")
    # The book says by which engine it is read.
    assert "no effect" not in told("--lang", "deu", "--scan-id", "other")


@pytest.mark.usefixtures("_own_settings")
@pytest.mark.parametrize(
    "options", [["--dpi", "20"], ["--engine", "pen"], ["--lang", "../eng"], ["--rotate", "45"], ["--crop", "5"]]
)
def test_ingest_refuses_a_wrong_option_before_it_stores_anything(tmp_path: Path, options: list[str]) -> None:
    done = CliRunner().invoke(app, ["ingest", str(pdf(tmp_path / "book.pdf")), *options])
    assert isinstance(done.exception, SettingsError)
    assert list((tmp_path / "scans").iterdir()) == []


@pytest.mark.usefixtures("_own_settings")
def test_run_records_its_options_with_a_new_book_and_not_with_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Settings] = []

    def stop(run: BookRun) -> None:
        seen.append(run.settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(BookRun, "_use_own_workers", stop)
    root = tmp_path / "scans"

    def run_command(source: str | Path, *options: str) -> str:
        done = CliRunner().invoke(app, ["run", str(source), *options])
        assert done.exit_code == 130, done.output
        return done.stderr

    run_command(pdf(tmp_path / "new.pdf"), "--dpi", "400")
    assert profile_of(root, "new") == BookProfile(dpi=400)
    # The profile goes before the option, and the user is told.
    told = run_command("new", "--dpi", "200")
    assert "new is read by its profile (400 dpi), which goes before --dpi 200; `producer ingest" in told
    assert profile_of(root, "new") == BookProfile(dpi=400)
    ingest(pdf(tmp_path / "old.pdf"), root)
    assert "profile" not in run_command("old", "--dpi", "200")
    assert (profile_of(root, "old"), [each.dpi for each in seen]) == (NO_PROFILE, [400, 200, 200])

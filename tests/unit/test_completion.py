"""What the shell is offered on Tab, and that nothing which is wrong with the deployment shows there."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkpointing.errors import InputError, UnknownNameError
from producer.cli import app
from producer.commands import completion
from producer.ingest.books import look_at_scan_or_source
from producer.open_deployment import open_deployment
from tests.support.fake_deployment import write_scan
from worker.config.settings import Settings
from worker.stages.registry import make_stage


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for scan_id in ("moby-dick", "moby-doll", "walden"):
        write_scan(tmp_path, scan_id, 1)
    (tmp_path / "mo-no-scan").mkdir()
    (tmp_path / ".leafmark").mkdir()
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("root")
def test_scans_that_begin_so_are_offered() -> None:
    assert completion.scan_ids("mo") == ["moby-dick", "moby-doll"]
    assert completion.scan_ids("") == ["moby-dick", "moby-doll", "walden"]
    assert completion.scan_ids("x") == []


def test_a_long_list_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(120):
        folder = tmp_path / f"scan-{number:03}"
        folder.mkdir()
        (folder / "metadata.json").touch()
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(tmp_path))
    assert len(completion.scan_ids("scan")) == 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"LEAFMARK_STORAGE_ROOT": "/no/such/folder"},
        {"LEAFMARK_STORAGE_ROOT": ""},
        {"LEAFMARK_DPI": "1"},
        {"LEAFMARK_CONFIG": "/no/such/file"},
    ],
)
def test_nothing_is_offered_and_nothing_said_where_something_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], wrong: dict[str, str]
) -> None:
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    assert completion.scan_ids("mo") == []
    assert capfd.readouterr() == ("", "")


def test_stages_and_areas_are_offered() -> None:
    # Other tests of this process may have registered one more.
    assert completion.stages("")[:4] == ["ocr", "correction", "fix", "structure"]
    assert completion.stages("co") == ["correction"]
    assert completion.setting_names("ocr") == [
        "ocr_engine=",
        "ocr_lang=",
        "ocr_typeface=",
        "ocr_device=",
        "ocr_rotate=",
        "ocr_deskew=",
        "ocr_crop=",
    ]
    assert completion.areas("st") == ["storage"]
    assert completion.areas("storage,re") == ["storage,redis"]
    assert "storage,storage" not in completion.areas("storage,")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("producer enq", "enqueue"),
        ("producer status moby-di", "moby-dick"),
        ("producer enqueue walden --through str", "structure"),
        ("producer reset walden --stage o", "ocr"),
        ("producer doctor --only mod", "models"),
    ],
)
def test_zsh_is_offered_the_same(words: str, offered: str) -> None:
    asked = {"_PRODUCER_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": words}
    shown = CliRunner().invoke(app, [], prog_name="producer", env=asked)
    assert shown.exit_code == 0
    assert f'"{offered}"' in shown.stdout


def test_a_misspelt_scan_is_recognised_where_a_source_may_stand_too(root: Path) -> None:
    parts = open_deployment(Settings(storage_root=root))
    with pytest.raises(InputError, match=r"movy-dick is neither a file nor a scan; did you mean 'moby-dick'"):
        look_at_scan_or_source(parts.store, "movy-dick", None)


def test_a_misspelt_stage_is_recognised() -> None:
    with pytest.raises(
        UnknownNameError, match=r"no stage 'corection' \(did you mean 'correction'\?\); stages: ocr"
    ):
        make_stage("corection", Settings())

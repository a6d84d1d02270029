"""A storage root that is not there, or is not a library, is named by every command and does not look empty."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkpointing.errors import InputError, StorageError
from producer.cli import app
from producer.doctor.check import Level
from producer.doctor.storage import examine_storage
from producer.ingest.books import look_at_scan_or_source
from producer.status.scan_status import all_scans
from tests.support.fake_deployment import SCAN, FakeDeployment, make_fake
from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.storage.root_marker import library_at

COMMANDS = [
    ["status"],
    ["status", SCAN],
    ["status", "--json"],
    ["watch"],
    ["watch", "--once"],
    ["watch", SCAN],
    ["logs", SCAN],
    ["verify", SCAN],
    ["report", SCAN],
]


@pytest.fixture(params=["not there", "empty"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "scans"
    if request.param == "empty":
        root.mkdir()
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(root))
    return root


@pytest.mark.parametrize("command", [pytest.param(command, id=" ".join(command)) for command in COMMANDS])
def test_a_command_that_reads_tells_that_there_is_no_library(root: Path, command: list[str]) -> None:
    before = sorted(root.parent.rglob("*"))
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, StorageError)
    assert done.exception.exit_code == 5
    assert str(root) in str(done.exception)
    assert "mount it" in str(done.exception)
    assert sorted(root.parent.rglob("*")) == before


def test_the_doctor_tells_that_there_is_no_library_and_writes_nothing(root: Path) -> None:
    found = {check.name: check for check in examine_storage(root)}
    told = found.get("root") if not root.exists() else found.get("library")
    assert told is not None
    assert told.level is not Level.OK
    assert "mount it" in told.then
    assert list(root.parent.iterdir()) == ([root] if root.exists() else [])


def test_run_with_a_scan_that_is_on_a_share_tells_that_the_share_is_away(root: Path) -> None:
    parts = Deployment(Settings(storage_root=root), None)
    with pytest.raises(InputError, match=r"there is no file a-book, and .*mount it"):
        look_at_scan_or_source(parts.store, SCAN, None)


def test_an_empty_library_has_no_scans(tmp_path: Path) -> None:
    library_at(tmp_path).make()
    assert all_scans(Deployment(Settings(storage_root=tmp_path), None).store) == []


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    return make_fake(tmp_path / "scans", monkeypatch)


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (["checkpoints"], "its source is missing; put the book's PDF"),
        (["corrected", "ocr"], "its source is missing; put the book's PDF"),
        (["source"], r"metadata\.json and checkpoints are missing; `producer ingest"),
    ],
)
def test_status_names_a_folder_that_is_not_a_scan_yet_and_what_is_missing(
    fake: FakeDeployment, folders: list[str], words: str
) -> None:
    for name in folders:
        (fake.root / "moby" / name).mkdir(parents=True)
    (fake.root / "something-else").mkdir()
    broken: list[Exception] = []
    fake.write_scan()
    assert [scan.metadata.scan_id for scan in all_scans(fake.parts.store, broken.append)] == [SCAN]
    (error,) = broken
    with pytest.raises(InputError, match=f"moby is not a scan yet: {words}"):
        raise error

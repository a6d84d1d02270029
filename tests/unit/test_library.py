"""The library: a storage root is told from an empty folder, and from another library, by its marker."""

import os
import shutil
from pathlib import Path

import pytest

from checkpointing.errors import StorageError
from tests.support.fake_deployment import SCAN, write_scan
from worker.storage.root_marker import Library, NotALibraryError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "scans"


@pytest.fixture
def library(root: Path) -> Library:
    made = Library(root)
    made.make()
    return made


def everything_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_a_root_that_is_made_a_library_is_one_for_every_process(root: Path, library: Library) -> None:
    library.check()
    library.make()
    other = Library(root)
    other.check()
    assert other.marker_path.read_bytes() == library.marker_path.read_bytes()


def test_a_root_that_is_not_there_is_no_library_and_is_not_made(root: Path) -> None:
    with pytest.raises(
        NotALibraryError, match=r"there is no folder .*scans; mount it, or set LEAFMARK_STORAGE_ROOT"
    ):
        Library(root).check()
    assert not root.exists()


def test_an_empty_folder_is_no_library_and_stays_empty(root: Path) -> None:
    root.mkdir()
    with pytest.raises(NotALibraryError, match="is not a Leafmark library: it has neither"):
        Library(root).check()
    assert everything_in(root) == []


def test_a_root_that_an_older_version_filled_gets_a_marker(root: Path) -> None:
    write_scan(root, SCAN, 1)
    older = Library(root)
    older.check()
    assert not older.marker_path.exists(), "reading needs no marker"
    older.check_to_write()
    assert older.marker_path.is_file()
    Library(root).check()


def test_an_empty_folder_at_the_start_is_looked_at_again_when_the_share_is_mounted(
    root: Path, tmp_path: Path
) -> None:
    root.mkdir()
    worker = Library(root)
    with pytest.raises(NotALibraryError):
        worker.check()
    Library(tmp_path / "share").make()
    root.rmdir()
    (tmp_path / "share").rename(root)
    worker.check()


def test_a_root_that_vanishes_is_told_and_goes_on_when_it_is_back(root: Path, library: Library) -> None:
    away = root.rename(root.with_name("away"))
    with pytest.raises(NotALibraryError, match="there is no folder"):
        library.check()
    away.rename(root)
    library.check()


def test_an_empty_folder_in_the_place_of_the_root_is_told_and_stays_empty(root: Path, library: Library) -> None:
    away = root.rename(root.with_name("away"))
    root.mkdir()
    with pytest.raises(NotALibraryError, match="mount it if it is a share"):
        library.check()
    assert everything_in(root) == []
    root.rmdir()
    away.rename(root)
    library.check()


def test_another_library_in_its_place_is_told(root: Path, library: Library) -> None:
    root.rename(root.with_name("away"))
    Library(root).make()
    with pytest.raises(NotALibraryError, match="holds another library than the one that this process works in"):
        library.check()


def test_an_older_root_in_its_place_is_not_taken_for_it(root: Path, library: Library) -> None:
    root.rename(root.with_name("away"))
    write_scan(root, SCAN, 1)
    before = everything_in(root)
    with pytest.raises(NotALibraryError):
        library.check_to_write()
    assert everything_in(root) == before


def test_a_deleted_marker_is_made_again_if_the_folder_is_the_same(root: Path, library: Library) -> None:
    write_scan(root, SCAN, 1)
    library.check()
    marker = library.marker_path.read_bytes()
    shutil.rmtree(library.marker_path.parent)
    library.check_to_write()
    assert library.marker_path.read_bytes()[:60] == marker[:60]


def test_a_damaged_marker_is_told(root: Path, library: Library) -> None:
    library.marker_path.write_text("{")
    with pytest.raises(NotALibraryError, match=r"library\.json is damaged; restore it"):
        Library(root).check()
    library.marker_path.unlink()
    os.mkfifo(library.marker_path)
    with pytest.raises(StorageError):
        Library(root).check()


def test_an_unchanged_library_costs_one_system_call(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    library.check()
    monkeypatch.setattr(Path, "read_bytes", lambda _path: pytest.fail("read again"))
    monkeypatch.setattr("worker.storage.root_marker.read_regular", lambda _path: pytest.fail("read again"))
    library.check()

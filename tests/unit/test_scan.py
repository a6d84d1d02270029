import errno
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from checkpointing.errors import InputError, StorageError, UnknownNameError
from checkpointing.refs import check_scan_id
from worker.pages import scan as scan_module
from worker.pages.metadata import ScanMetadata, ScanSource, SourceFile
from worker.pages.scan import ScanFolder, list_scans
from worker.pages.scan_ids import suggest_scan_id

HASH = "0" * 64


def metadata(scan_id: str = "book", **changes: Any) -> ScanMetadata:
    fields: dict[str, Any] = {
        "scan_id": scan_id,
        "title": "A Book",
        "total_pages": 2,
        "source": ScanSource(
            kind="pdf", name="A Book.pdf", files=(SourceFile(name="A Book.pdf", pages=2, sha256=HASH),)
        ),
        "sha256": HASH,
        "created_at": datetime(2026, 1, 2, tzinfo=UTC),
    }
    return ScanMetadata(**fields | changes)


def write_scan(root: Path, scan_id: str) -> ScanFolder:
    scan = ScanFolder(root, scan_id)
    scan.path.mkdir(parents=True)
    scan.metadata_path.write_text(metadata(scan_id).model_dump_json())
    return scan


@pytest.mark.parametrize("text", ["a", "9", "My.Book_1888-b", "x" * 100])
def test_a_good_scan_id_is_given_back(text: str) -> None:
    assert check_scan_id(text) == text


@pytest.mark.parametrize(
    "text", ["", "..", "../etc", "a..b", "a/b", "a b", ".hidden", "-flag", "x" * 300, "été", "a\n", "a\x00"]
)
def test_a_bad_scan_id_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(InputError, match="is not a scan id") as caught:
        check_scan_id(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 220


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("My Book (1888).pdf", "my-book-1888"),
        ("Les Misérables.PDF", "les-miserables"),
        ("vol.2", "vol-2"),
        ("__scan__", "scan"),
        ("红楼梦.pdf", "hong-lou-meng"),
        ("Война и мир.pdf", "voyna-i-mir"),
        ("Straße.pdf", "strasse"),
        ("Æsop\u2019s Fables.pdf", "aesop-s-fables"),
        ("Les Mise\u0301rables.pdf", "les-miserables"),
        ("объём.pdf", "obem"),
        ("Ἰλιάς", "ilias"),
        ("ひらがな", "hiragana"),
        ("… !.pdf", "scan"),
        ("page.tiff", "page"),
        ("long " * 60, "long-" * 19 + "long"),
    ],
)
def test_an_id_is_suggested_from_the_name_of_the_source(name: str, expected: str) -> None:
    assert suggest_scan_id(name) == expected
    assert check_scan_id(suggest_scan_id(name))


def test_a_folder_cannot_be_named_outside_its_root(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        ScanFolder(tmp_path, "../elsewhere")


def test_the_layout_of_a_scan(tmp_path: Path) -> None:
    scan = ScanFolder(tmp_path, "book")
    assert scan.path == tmp_path / "book"
    assert scan.source_dir == tmp_path / "book/source"
    assert scan.metadata_path == tmp_path / "book/metadata.json"
    assert scan.checkpoint_path("ocr") == tmp_path / "book/checkpoints/ocr.json"
    assert scan.output_dir("corrected") == tmp_path / "book/corrected"
    assert scan.logs_dir == tmp_path / "book/logs"


def test_metadata_is_read_back_as_written(tmp_path: Path) -> None:
    assert write_scan(tmp_path, "book").read_metadata() == metadata("book")


def test_metadata_of_a_newer_version_is_read(tmp_path: Path) -> None:
    scan = write_scan(tmp_path, "book")
    newer = scan.metadata_path.read_text().replace('"title"', '"shelf": "B4", "title"')
    scan.metadata_path.write_text(newer)
    assert scan.read_metadata().title == "A Book"


def test_pages_must_add_up() -> None:
    with pytest.raises(ValidationError, match="the files hold 2 pages"):
        metadata(total_pages=3)


@pytest.mark.parametrize("name", ["../secret.pdf", "/etc/passwd", ".hidden", "", "a/b"])
def test_a_stored_file_cannot_lie_outside_the_source_folder(name: str) -> None:
    with pytest.raises(ValidationError):
        SourceFile(name=name, pages=1, sha256=HASH)


def test_an_unknown_scan_is_named_with_the_closest_one(tmp_path: Path) -> None:
    write_scan(tmp_path, "war-and-peace")
    with pytest.raises(UnknownNameError, match="did you mean 'war-and-peace'"):
        ScanFolder(tmp_path, "war-and-piece").read_metadata()


@pytest.mark.parametrize("root", ["here", "missing"])
def test_an_unknown_scan_without_a_close_one_points_to_the_list(tmp_path: Path, root: str) -> None:
    (tmp_path / "here").mkdir()
    with pytest.raises(UnknownNameError, match="`producer status` lists the scans"):
        ScanFolder(tmp_path / root, "war").read_metadata()


@pytest.mark.parametrize("content", ["", "{}", "[1", '{"scan_id": "book", "title": ""}', "\x00" * 50])
def test_broken_metadata_names_the_file_and_the_way_out(tmp_path: Path, content: str) -> None:
    scan = write_scan(tmp_path, "book")
    scan.metadata_path.write_text(content)
    with pytest.raises(InputError, match=r"metadata\.json is broken .*restore it from a backup") as caught:
        scan.read_metadata()
    assert "\n" not in str(caught.value)


def test_metadata_of_another_scan_is_refused(tmp_path: Path) -> None:
    write_scan(tmp_path, "book").path.rename(tmp_path / "copy")
    with pytest.raises(InputError, match="belongs to the scan 'book', not to 'copy'"):
        ScanFolder(tmp_path, "copy").read_metadata()


def test_metadata_that_cannot_be_read_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(scan_module, "read_regular", fail)
    scan = ScanFolder(tmp_path, "book")
    with pytest.raises(StorageError, match=r"metadata\.json"):
        scan.read_metadata()


def test_scans_are_listed_sorted_and_other_folders_are_left_out(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_scan(tmp_path, name)
    (tmp_path / ".leafmark").mkdir()
    (tmp_path / ".leafmark" / "metadata.json").touch()
    (tmp_path / "no-scan").mkdir()
    (tmp_path / "notes.txt").touch()
    assert list_scans(tmp_path) == ["a", "b"]


def test_a_missing_root_holds_no_scans(tmp_path: Path) -> None:
    assert list_scans(tmp_path / "missing") == []


def test_a_root_that_is_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "root").touch()
    with pytest.raises(StorageError, match="a file is in the place of a folder"):
        list_scans(tmp_path / "root")

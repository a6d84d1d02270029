"""Log files: merged by time, read while they are written, next to foreign files."""

import errno
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from checkpointing.regular_files import open_regular_file
from producer.logs.log_files import LogFiles

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


def raw(seconds: float, message: str = "a line", **fields: Any) -> bytes:
    stamp = (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    return json.dumps({"timestamp": stamp, "level": "info", "stage": "ocr", "message": message, **fields}).encode()


def write(folder: Path, name: str, *lines: bytes, end: bytes = b"\n") -> Path:
    """Add lines to a file as a process does."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.jsonl"
    with path.open("ab") as file:
        file.write(b"\n".join(lines) + end)
    return path


def messages(files: LogFiles) -> list[str]:
    return [line.message for line in files.new_lines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def test_a_missing_folder_has_no_lines(folder: Path) -> None:
    files = LogFiles(folder)
    assert messages(files) == []
    write(folder, "ocr_1", raw(1, "came later"))
    assert messages(files) == ["came later"]


def test_files_of_several_machines_are_merged_by_time(folder: Path) -> None:
    for name, start in (("ocr_a", 0), ("ocr_b", 1), ("fix_c", 2)):
        write(folder, name, *(raw(start + 3 * number, str(start + 3 * number)) for number in range(500)))
    files = LogFiles(folder)
    assert messages(files) == [str(number) for number in range(1500)]
    assert files.problems(ended=True) == []


def test_times_in_different_time_zones_are_merged_in_order(folder: Path) -> None:
    later = b'{"timestamp": "2026-11-24T13:00:01+01:00", "message": "second"}'
    write(folder, "ocr_a", later, raw(3, "fourth"))
    write(folder, "ocr_b", raw(0, "first"), raw(2, "third"))
    assert messages(LogFiles(folder)) == ["first", "second", "third", "fourth"]


def test_only_the_files_of_a_stage_are_read(folder: Path) -> None:
    write(folder, "ocr_a", raw(0, "of ocr"))
    write(folder, "fix_a", raw(0, "of fix"))
    assert messages(LogFiles(folder, "fix")) == ["of fix"]


def test_files_last_written_before_since_are_not_read(folder: Path) -> None:
    old = write(folder, "ocr_old", raw(0, "old"))
    os.utime(old, (START.timestamp(), START.timestamp()))
    write(folder, "ocr_new", raw(0, "new"))
    files = LogFiles(folder, since=START + timedelta(hours=1))
    assert messages(files) == ["new"]
    write(folder, "ocr_old", raw(1, "written to again"))
    assert "written to again" in messages(files)


def test_each_new_line_is_found_once(folder: Path) -> None:
    write(folder, "ocr_a", raw(0, "first"))
    files = LogFiles(folder)
    assert messages(files) == ["first"]
    assert messages(files) == []
    write(folder, "ocr_a", raw(2, "third"))
    write(folder, "ocr_b", raw(1, "second, of a new process"))
    assert messages(files) == ["second, of a new process", "third"]


def test_an_incomplete_line_is_read_once_it_is_complete(folder: Path) -> None:
    whole = raw(0, "whole é".encode().decode())
    write(folder, "ocr_a", whole[:20], end=b"")
    files = LogFiles(folder)
    assert messages(files) == []
    assert files.problems(ended=False) == []
    assert files.problems(ended=True) == ["1 line was skipped: incomplete, or not written by Leafmark"]
    write(folder, "ocr_a", whole[20:], end=b"")
    assert messages(files) == []
    write(folder, "ocr_a", b"")
    assert messages(files) == ["whole é"]
    assert files.problems(ended=True) == []


def test_foreign_lines_are_skipped_and_counted(folder: Path) -> None:
    write(folder, "ocr_a", raw(0, "first"), b"{torn", b"\xff" * 100, raw(1, "second"))
    write(folder, "ocr_b", b"a note by hand")
    (folder / "README.txt").write_text("not a log")
    files = LogFiles(folder)
    assert messages(files) == ["first", "second"]
    assert files.problems(ended=True) == ["3 lines were skipped: incomplete, or not written by Leafmark"]


def test_an_endless_line_is_skipped_without_using_memory(folder: Path) -> None:
    write(folder, "ocr_a", b"x" * 5_000_000, raw(1, "after it"))
    files = LogFiles(folder)
    assert messages(files) == ["after it"]
    assert files.problems(ended=True) == ["1 line was skipped: incomplete, or not written by Leafmark"]


def test_a_truncated_file_is_read_again_from_its_beginning(folder: Path) -> None:
    path = write(folder, "ocr_a", raw(0, "first"), raw(1, "second"))
    files = LogFiles(folder)
    assert messages(files) == ["first", "second"]
    path.write_bytes(b"")
    assert messages(files) == []
    write(folder, "ocr_a", raw(2, "third"))
    assert messages(files) == ["third"]


def test_a_deleted_file_is_ignored(folder: Path) -> None:
    path = write(folder, "ocr_a", raw(0, "first"))
    files = LogFiles(folder)
    path.unlink()
    write(folder, "ocr_b", raw(1, "second"))
    assert messages(files) == ["second"]


def test_an_unreadable_file_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "ocr_a", raw(0, "first"))
    path = write(folder, "ocr_b", raw(1, "second"))
    files = LogFiles(folder)

    def refuse(opened: Path) -> Any:
        if opened == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open_regular_file(opened)

    monkeypatch.setattr("producer.logs.log_files.open_regular_file", refuse)
    assert messages(files) == ["first"]
    assert files.problems(ended=True) == ["ocr_b.jsonl cannot be read: Permission denied"]


def test_folders_and_special_files_are_not_opened(folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / "ocr_pipe.jsonl")
    (folder / "ocr_folder.jsonl").mkdir()
    (folder / "ocr_gone.jsonl").symlink_to(folder / "nowhere")
    write(folder, "ocr_a", raw(0, "first"))
    assert messages(LogFiles(folder)) == ["first"]


def test_more_files_than_a_process_may_open_are_merged(folder: Path) -> None:
    for number in range(1200):
        write(folder, f"ocr_{number}", raw(number, str(number)))
    before = len(os.listdir("/dev/fd"))
    lines = LogFiles(folder).new_lines()
    assert next(lines).message == "0"
    assert len(os.listdir("/dev/fd")) <= before + 1
    assert [line.message for line in lines] == [str(number) for number in range(1, 1200)]

import errno
import fcntl
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from checkpointing.atomic import make_folder, remove_orphans, write_durably
from tests.support.waiting import HANG_SECONDS, exit_code_of
from tests.unit.conftest import Disk, process, says

KILLED_AT_A_CALL = """
    import os, signal, sys
    from pathlib import Path
    from checkpointing.atomic import write_durably

    path, fatal, left = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    real = getattr(os, fatal)

    def call(*args):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args)

    setattr(os, fatal, call)
    write_durably(path, b'{"state": "new"}', len)
"""
PAUSED_BEFORE_THE_RENAME = """
    import sys
    from pathlib import Path
    from checkpointing.atomic import write_durably

    def check(raw):
        print("written", flush=True)
        sys.stdin.readline()

    write_durably(Path(sys.argv[1]), b'{"state": "new"}', check)
    print("done", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that holds the old state."""
    path = tmp_path / "ocr.json"
    path.write_bytes(b'{"state": "old"}')
    return path


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_new_bytes_are_there_and_nothing_else_is(path: Path) -> None:
    write_durably(path, b'{"state": "new"}', json.loads)
    assert path.read_bytes() == b'{"state": "new"}'
    assert names(path.parent) == ["ocr.json"]


def test_a_file_that_was_not_there_is_made(tmp_path: Path) -> None:
    write_durably(tmp_path / "first.json", b"{}", json.loads)
    assert (tmp_path / "first.json").read_bytes() == b"{}"


def test_file_and_folder_are_synced_and_checked_in_the_right_order(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def synced(fd: int) -> None:
        steps.append(("fsync", os.fstat(fd).st_ino))
        fsync(fd)

    def replaced(source: Path, target: Path) -> None:
        steps.append(("replace", source.stat().st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write_durably(path, b"{}", lambda _: steps.append(("check", 0)))
    file, folder = path.stat().st_ino, path.parent.stat().st_ino
    assert steps == [("fsync", file), ("check", 0), ("replace", file), ("fsync", folder)]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("call", [1, 2, 3], ids=["write", "fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file_and_no_other(path: Path, disk: Disk, call: int, error: int) -> None:
    disk.break_at(call, error)
    with pytest.raises(OSError, match=os.strerror(error)) as caught:
        write_durably(path, b'{"state": "new"}', json.loads)
    assert caught.value.errno == error
    assert path.read_bytes() == b'{"state": "old"}'
    assert names(path.parent) == ["ocr.json"]


def test_a_folder_that_cannot_be_synced_is_an_error_and_the_file_is_whole(path: Path, disk: Disk) -> None:
    disk.break_at(4, errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        write_durably(path, b'{"state": "new"}', json.loads)
    assert json.loads(path.read_bytes())["state"] in {"old", "new"}
    assert names(path.parent) == ["ocr.json"]


def test_a_disk_that_fills_up_halfway_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    room = [10]

    def little(fd: int, data: memoryview) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room[0] -= 5
        return write(fd, data[:5])

    monkeypatch.setattr(os, "write", little)
    with pytest.raises(OSError, match="No space"):
        write_durably(path, b'{"state": "new"}', json.loads)
    assert path.read_bytes() == b'{"state": "old"}'
    assert names(path.parent) == ["ocr.json"]


def test_writes_that_take_a_few_bytes_at_a_time_still_write_all(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    write_durably(path, b'{"state": "new"}', json.loads)
    assert path.read_bytes() == b'{"state": "new"}'


def test_nothing_at_all_can_be_written_too(path: Path) -> None:
    write_durably(path, b"", len)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("error", [ValueError("not whole"), KeyError("status"), KeyboardInterrupt()], ids=repr)
def test_bytes_that_fail_the_check_never_replace_the_file(path: Path, error: BaseException) -> None:
    def refuse(_: bytes) -> None:
        raise error

    with pytest.raises(type(error)):
        write_durably(path, b"{", refuse)
    assert path.read_bytes() == b'{"state": "old"}'
    assert names(path.parent) == ["ocr.json"]


def test_what_is_checked_is_what_the_disk_holds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data).replace(b"}", b"?")))
    with pytest.raises(json.JSONDecodeError):
        write_durably(path, b"{}", json.loads)
    assert path.read_bytes() == b'{"state": "old"}'


def test_many_writers_of_one_file_use_temp_files_of_their_own(path: Path) -> None:
    seen: list[str] = []
    together = threading.Barrier(8)

    def write(number: int) -> None:
        def look(_: bytes) -> None:
            together.wait(HANG_SECONDS)
            seen.extend(names(path.parent))
            together.wait(HANG_SECONDS)

        write_durably(path, json.dumps({"state": number}).encode(), look)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    temps = set(seen) - {"ocr.json"}
    assert len(temps) == 8
    assert all(name.startswith("ocr.json.tmp.") for name in temps)
    assert json.loads(path.read_bytes())["state"] in range(8)
    assert names(path.parent) == ["ocr.json"]


@pytest.mark.parametrize(
    ("fatal", "nth", "state", "temps"),
    [("write", 1, "old", 1), ("fsync", 1, "old", 1), ("replace", 1, "old", 1), ("fsync", 2, "new", 0)],
)
def test_a_writer_killed_at_any_call_leaves_a_whole_file(
    path: Path, fatal: str, nth: int, state: str, temps: int
) -> None:
    with process(KILLED_AT_A_CALL, path, fatal, nth) as writer:
        assert exit_code_of(writer) == -9
    assert json.loads(path.read_bytes()) == {"state": state}
    assert len(remove_orphans(path.parent)) == temps
    assert names(path.parent) == ["ocr.json"]


def test_a_clean_up_spares_the_temp_file_of_a_writer_that_lives(path: Path) -> None:
    with process(PAUSED_BEFORE_THE_RENAME, path) as writer:
        assert says(writer) == "written"
        assert remove_orphans(path.parent) == []
        print(file=writer.stdin, flush=True)
        assert says(writer) == "done"
    assert path.read_bytes() == b'{"state": "new"}'


def test_a_clean_up_between_making_and_locking_the_temp_file_does_no_harm(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    cleaned: list[Path] = []

    def late(fd: int, how: int) -> None:
        if not cleaned:
            monkeypatch.setattr(fcntl, "flock", flock)
            cleaned.extend(remove_orphans(path.parent))
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    write_durably(path, b'{"state": "new"}', json.loads)
    assert len(cleaned) == 1
    assert path.read_bytes() == b'{"state": "new"}'
    assert names(path.parent) == ["ocr.json"]


def test_a_clean_up_takes_the_temp_files_of_the_named_target_only(path: Path) -> None:
    for name in ("ocr.json.tmp.0123", "fix.json.tmp.0123", "notes.txt"):
        (path.parent / name).touch()
    assert remove_orphans(path.parent, "ocr.json") == [path.parent / "ocr.json.tmp.0123"]
    assert names(path.parent) == ["fix.json.tmp.0123", "notes.txt", "ocr.json"]


def test_a_clean_up_of_a_folder_that_is_not_there_finds_nothing(tmp_path: Path) -> None:
    assert remove_orphans(tmp_path / "nowhere") == []


@pytest.mark.parametrize("broken", ["unlink", "open"])
def test_what_a_clean_up_cannot_delete_stays_without_a_fuss(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    orphan = path.parent / "ocr.json.tmp.0123"
    orphan.touch()
    monkeypatch.setattr(os, broken, refuse)
    assert remove_orphans(path.parent) == []
    assert orphan.exists()


def test_a_folder_is_made_with_its_parents_and_every_name_is_synced(tmp_path: Path, synced: list[int]) -> None:
    make_folder(tmp_path / "scan" / "checkpoints", within=tmp_path)
    assert (tmp_path / "scan" / "checkpoints").is_dir()
    assert synced == [tmp_path.stat().st_ino, (tmp_path / "scan").stat().st_ino]


@pytest.mark.parametrize("within", [None, "scan"])
def test_a_folder_is_not_made_where_the_one_around_it_is_not_there(tmp_path: Path, within: str | None) -> None:
    """A share that is not mounted: what is above a scan's own folders is nobody's to make."""
    with pytest.raises(FileNotFoundError):
        make_folder(tmp_path / "scan" / "checkpoints", within=tmp_path / within if within else None)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_already_is_fine(tmp_path: Path, disk: Disk) -> None:
    make_folder(tmp_path)
    assert disk.calls == []


def test_a_file_where_a_folder_should_be_is_an_error(path: Path) -> None:
    for folder in (path, path / "below"):
        with pytest.raises((FileExistsError, NotADirectoryError)):
            make_folder(folder)

"""Files are opened without waiting, and nothing but a regular file is."""

import errno
import os
import socket
from pathlib import Path

import pytest

from checkpointing.regular_files import NotRegularFileError, append_to_regular, open_regular, read_regular
from checkpointing.storage_errors import storage_error

pytestmark = pytest.mark.timeout(300)


def special_file(kind: str, path: Path) -> Path:
    """Put something that is not a regular file at a path."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "/dev/tty")
    return path


@pytest.fixture(params=["fifo", "socket", "device"])
def special(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return special_file(request.param, tmp_path / "file")


def test_reading_a_special_file_is_refused_at_once(special: Path) -> None:
    with pytest.raises(NotRegularFileError) as caught:
        read_regular(special)
    assert caught.value.errno == errno.ENXIO
    assert "is not a regular file but a FIFO, a device or a socket; move it away" in str(
        storage_error(caught.value, special)
    )


@pytest.mark.parametrize("flags", [os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_APPEND | os.O_CREAT])
def test_a_special_file_is_not_opened_for_writing_either(special: Path, flags: int) -> None:
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(NotRegularFileError):
        open_regular(special, flags)
    assert len(os.listdir("/dev/fd")) == before


def test_a_folder_is_told_apart_from_a_special_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path)


def test_a_missing_file_stays_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "file")


def test_a_regular_file_is_read_and_appended_to_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    with append_to_regular(tmp_path / "link") as file:
        file.write(b"one")
    with append_to_regular(tmp_path / "file") as file:
        file.write(b", two")
    assert read_regular(tmp_path / "link") == b"one, two"

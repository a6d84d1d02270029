"""Putting a report where it was asked for: whole or not at all, and over nothing but an earlier report."""

import os
from pathlib import Path

from checkpointing.atomic import write_durably
from checkpointing.errors import InputError, StorageError
from checkpointing.regular_files import NotRegularFileError, open_regular_file
from checkpointing.storage_errors import storage_error
from producer.report.render import GENERATOR

_HEAD_BYTES = 512
_MARK = f'<meta name="generator" content="{GENERATOR}">'.encode()


def check_target(path: Path) -> None:
    """Insist that a report can be written to a path, before the work of making one.

    Raises:
        InputError: there is no such folder, or something that is no report has that name.
        StorageError: the folder cannot be written to, or what is there cannot be read.
    """
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; make it, or say another file with --output")
    if path.is_dir():
        raise InputError(f"{path} is a folder; say which file in it with --output")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError(f"{folder}: permission denied; say another file with --output")
    try:
        with open_regular_file(path) as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        return
    except NotRegularFileError:
        raise InputError(f"{path} is not a regular file; name another file with --output") from None
    except OSError as error:
        raise storage_error(error, path) from error
    if head and _MARK not in head:
        raise InputError(
            f"{path} is there already and is no report of ours; move it away, or say another file with --output"
        )


def write_report(path: Path, html: str) -> None:
    """Write a report, in one step.

    Raises:
        InputError, StorageError: as `check_target`.
        StorageError: it cannot be written; what was there is there still.
    """
    check_target(path)
    # A lone half of a character may come out of damaged data; it must not keep the rest from being read.
    data = html.encode(errors="replace")
    try:
        write_durably(path, data, lambda raw: _insist(raw == data))
    except OSError as error:
        raise storage_error(error, path) from error


def _insist(same: bool) -> None:
    if not same:
        raise OSError("what was read back is not what was written")

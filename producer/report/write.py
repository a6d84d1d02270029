"""Write a report in one step; it may replace an earlier report, but no other file."""

import os
from pathlib import Path

from checkpointing.atomic import write_durably
from checkpointing.errors import InputError, StorageError
from checkpointing.regular_files import NotRegularFileError, open_regular_file
from checkpointing.storage_errors import storage_error, storage_errors
from producer.report.render import GENERATOR

_HEAD_BYTES = 512
_MARK = f'<meta name="generator" content="{GENERATOR}">'.encode()


def check_target(path: Path, option: str = "--output") -> None:
    """Check that a report can be written to a path, before it is made.

    Args:
        path: of the file.
        option: the option that names it, for the hints of errors.

    Raises:
        InputError: the folder does not exist, or another file has that name.
        StorageError: the folder is not writable, or the file that is there cannot be read.
    """
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", hint=f"create it, or name another file with {option}")
    if path.is_dir():
        raise InputError(f"{path} is a folder", hint=f"name a file in it with {option}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError(f"{folder}: permission denied", hint=f"name another file with {option}")
    try:
        with open_regular_file(path) as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        return
    except NotRegularFileError:
        raise InputError(f"{path} is not a regular file", hint=f"name another file with {option}") from None
    except OSError as error:
        raise storage_error(error, path) from error
    if head and _MARK not in head:
        raise InputError(
            f"{path} exists and is not a report of Leafmark",
            hint=f"move it away, or name another file with {option}",
        )


def write_report(path: Path, html: str, option: str = "--output") -> None:
    """Write a report in one step.

    Args:
        path: of the file.
        html: its content.
        option: the option that names the file, for the hints of errors.

    Raises:
        InputError, StorageError: from `check_target`.
        StorageError: it cannot be written; an earlier report is unchanged.
    """
    check_target(path, option)
    # Damaged data may contain a lone surrogate, which UTF-8 cannot encode.
    data = html.encode(errors="replace")
    with storage_errors(path):
        write_durably(path, data, lambda raw: _check_same(raw == data))


def _check_same(same: bool) -> None:
    if not same:
        raise OSError("what was read back is not what was written")

"""The contents of an output folder besides its outputs, and setting outputs aside."""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from checkpointing.atomic import make_folder, sync_folder
from checkpointing.outputs import SET_ASIDE, OutputFolder
from producer.terminal.progress import Step

_TEMP_MARK = ".tmp"
_TEMP_OF_PAGE = "page_"


def leftovers(folder: Path, prefix: str = _TEMP_OF_PAGE) -> set[Path]:
    """Return the temporary files without a writer, which `checkpointing.atomic.remove_orphans` would delete."""
    temps = (name for name in _names(folder) if name.startswith(prefix) and _TEMP_MARK in name)
    return {folder / name for name in temps if not _has_writer(folder / name)}


def foreign_names(outputs: OutputFolder, assembled: str | None = None) -> list[str]:
    """Return the names that Leafmark did not create, sorted; `assembled` is the stage's file of all its pages."""
    ours = {outputs.path_of(page).name for page in outputs.pages()}
    if assembled is not None:
        ours |= {assembled, f"{assembled}.before-leafmark"}
    return sorted(
        name
        for name in _names(outputs.path)
        if name not in ours
        and not (name == SET_ASIDE and (outputs.path / name).is_dir())
        and not (name.startswith(_TEMP_OF_PAGE) and _TEMP_MARK in name)
    )


def set_all_aside(outputs: OutputFolder, pages: Sequence[int], step: Step = bool) -> None:
    """Set outputs aside as `OutputFolder.set_aside` does, with one sync for all of them.

    Raises:
        OSError: the storage failed; some outputs may have been moved.
    """
    if not pages:
        return
    aside = outputs.path / SET_ASIDE
    make_folder(aside)
    for page in pages:
        outputs.path_of(page).replace(aside / outputs.path_of(page).name)
        step()
    sync_folder(aside)
    sync_folder(outputs.path)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _has_writer(temp: Path) -> bool:
    """Return whether a writer holds the lock of its file; True also if the file is gone."""
    try:
        fd = os.open(temp, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False

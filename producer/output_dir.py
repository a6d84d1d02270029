"""An output folder as a whole: what lies in it besides the outputs, and clearing it."""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from checkpointing.atomic import make_folder, sync_folder
from checkpointing.outputs import OutputFolder
from producer.terminal.progress import Step

SET_ASIDE = "set_aside"
"""Where `OutputFolder.set_aside` moves outputs to, inside their folder."""
_TEMP_MARK = ".tmp"
_TEMP_OF_PAGE = "page_"


def leftovers(folder: Path, prefix: str = _TEMP_OF_PAGE) -> set[Path]:
    """The temp files whose writer is gone: those that `checkpointing.atomic.remove_orphans` would delete."""
    temps = (name for name in _names(folder) if name.startswith(prefix) and _TEMP_MARK in name)
    return {folder / name for name in temps if not _has_writer(folder / name)}


def foreign_names(outputs: OutputFolder, assembled: str | None = None) -> list[str]:
    """What Leafmark did not put there, sorted.

    Args:
        outputs: the folder.
        assembled: name of the one file that the stage makes of all its pages; None where it makes none.
    """
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
    """Move outputs out of the way as `OutputFolder.set_aside` does, made durable once for all of them.

    Raises:
        OSError: the storage failed; some may be moved.
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
    """Whether somebody holds the lock that a writer holds for as long as it lives; also when it is gone by now."""
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

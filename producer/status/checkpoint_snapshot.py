"""Read a checkpoint without changing anything, as `verify` and `report` need it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError
from checkpointing.file import CheckpointFile, Signature
from checkpointing.locks import acquire
from checkpointing.regular_files import NotRegularFileError, open_regular, read_regular

_LOCK_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class CheckpointSnapshot:
    """One version of a checkpoint.

    Attributes:
        checkpoint: its content; for a damaged file, what could be salvaged.
        raw: the bytes of the file; empty without a file.
        version: differs for each version of the file; None without a file.
        unusable: why the file cannot be used; None if it can.
    """

    checkpoint: Checkpoint
    raw: bytes
    version: Signature | None
    unusable: str | None

    @property
    def usable(self) -> bool:
        """Whether there is an intact checkpoint to compare with."""
        return self.version is not None and self.unusable is None

    def pending(self, total_pages: int) -> frozenset[int]:
        """Return the requested pages of the book that are neither complete nor in quarantine."""
        ranges = (range(first, min(last, total_pages) + 1) for first, last in self.checkpoint.requested)
        settled = self.checkpoint.pages.keys() | self.checkpoint.quarantined()
        return frozenset(page for pages in ranges for page in pages if page not in settled)


def take_snapshot(file: CheckpointFile) -> CheckpointSnapshot:
    """Return the current version of the checkpoint.

    Raises:
        OSError: the storage failed.
    """
    while True:
        version = version_of(file)
        unusable = None
        try:
            checkpoint = file.read()
        except CheckpointError as error:
            unusable = error.message
            checkpoint, _ = file.read_or_salvage()
        raw = b"" if version is None else read_regular(file.path)
        # If it was saved in the meantime, content and bytes may be of two versions.
        if version == version_of(file):
            return CheckpointSnapshot(checkpoint, raw, version, unusable)


def version_of(file: CheckpointFile) -> Signature | None:
    """Return the version of the file; None if there is no regular file.

    Raises:
        OSError: the storage failed.
    """
    try:
        return file.signature()
    except (FileNotFoundError, NotRegularFileError):
        return None


@contextlib.contextmanager
def kept_still(file: CheckpointFile) -> Iterator[None]:
    """Keep out processes that change checkpoint and outputs together, for the length of a `with` block.

    Writes nothing: without a lock file no process has ever locked the checkpoint. A process that holds the lock for
    very long, because it is paused, is not waited for; then the current state of the files is read.
    """
    try:
        fd = open_regular(file.path.with_suffix(".lock"))
    except FileNotFoundError:
        yield
        return
    try:
        with contextlib.suppress(CheckpointError):
            acquire(fd, file.path, _LOCK_SECONDS, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)

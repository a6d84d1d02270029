"""A checkpoint as it stands at one moment, for those who only look: nothing is rebuilt, nothing is written."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError
from checkpointing.file import CheckpointFile, Signature
from checkpointing.regular_files import NotRegularFileError, open_regular, read_regular

_LOCK_SECONDS = 15.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a checkpoint.

    Attributes:
        checkpoint: what it says; of a file that cannot be used, what can still be read of it.
        raw: the bytes of the file; empty where there is none.
        version: tells it from other versions; None where there is no file.
        unusable: why the file cannot be used; None when it can.
    """

    checkpoint: Checkpoint
    raw: bytes
    version: Signature | None
    unusable: str | None

    @property
    def usable(self) -> bool:
        """Whether there is a checkpoint to compare with."""
        return self.version is not None and self.unusable is None

    def pending(self, total_pages: int) -> frozenset[int]:
        """The pages of the book that were asked for and are neither complete nor in quarantine."""
        ranges = (range(first, min(last, total_pages) + 1) for first, last in self.checkpoint.requested)
        settled = self.checkpoint.pages.keys() | self.checkpoint.quarantined()
        return frozenset(page for pages in ranges for page in pages if page not in settled)


def take_snapshot(file: CheckpointFile) -> Snapshot:
    """The checkpoint as it is now.

    Raises:
        OSError: the storage failed.
    """
    while True:
        version = version_of(file)
        unusable = None
        try:
            checkpoint = file.read()
        except CheckpointError as error:
            unusable = str(error).rpartition("; `producer enqueue")[0] or str(error)
            checkpoint, _ = file.read_or_salvage()
        raw = b"" if version is None else read_regular(file.path)
        # Otherwise somebody saved it meanwhile, and these may be of two versions.
        if version == version_of(file):
            return Snapshot(checkpoint, raw, version, unusable)


def version_of(file: CheckpointFile) -> Signature | None:
    """Which version is there; None where there is no regular file.

    Raises:
        OSError: the storage failed.
    """
    try:
        return file.signature()
    except (FileNotFoundError, NotRegularFileError):
        return None


@contextlib.contextmanager
def kept_still(file: CheckpointFile) -> Iterator[None]:
    """Keep those who change checkpoint and outputs together out for the length of a `with` block.

    Writes nothing, so where nobody ever locked the checkpoint there is nobody to keep out. Whoever holds it for
    very long (a paused process) is not waited for: what is seen then is what is there.
    """
    try:
        fd = open_regular(file.path.with_suffix(".lock"))
    except FileNotFoundError:
        yield
        return
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _shared(fd) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(fd)


def _shared(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

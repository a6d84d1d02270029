"""Reading a checkpoint again when it has changed, and no more often than a tenth of one core allows."""

import time
from contextlib import suppress

from checkpointing.errors import CheckpointError
from checkpointing.file import CheckpointFile, Signature
from checkpointing.models import Checkpoint

# A book of 100,000 pages takes a second to parse, and is committed every few seconds.
_PAUSE_FACTOR = 9


class PacedReader:
    """The newest version of a checkpoint that there was time for.

    Args:
        file: whose; nothing else is read.
    """

    def __init__(self, file: CheckpointFile) -> None:
        self.file = file
        self._seen: Signature | None = None
        self._not_before = 0.0

    def version(self) -> Signature | None:
        """Which version is there; None for none, or one that is away for a moment."""
        with suppress(OSError):
            return self.file.signature()
        return None

    def news(self) -> Checkpoint | None:
        """The checkpoint, where it is another one than the last time and there is time to read it; else None.

        Raises:
            CheckpointError: the file cannot be used; it may be about to be rebuilt. Said once for each version.
            OSError: the storage failed.
        """
        version = self.version()
        if version in {None, self._seen} or time.monotonic() < self._not_before:
            return None
        began = time.thread_time()
        try:
            checkpoint = self.file.read()
        except CheckpointError:
            self._seen = version
            raise
        finally:
            self._not_before = time.monotonic() + _PAUSE_FACTOR * (time.thread_time() - began)
        self._seen = version
        return checkpoint

"""The checkpoint file: the only code that reads or writes it.

A change happens inside `exclusive()`, under `flock`, on the state that is on disk at that moment, and takes effect
with `save()`. The manager of one process and the coordinator of many workers both use this class. A file that
cannot be used is kept under a dated name, and rebuilt from the outputs.
"""

import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from checkpointing.atomic import make_folder, remove_orphans, sync_folder, write_durably
from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError, InvariantError
from checkpointing.fields import now
from checkpointing.file_format import UnusableFileError, parse
from checkpointing.locks import file_lock
from checkpointing.outputs import OutputFolder
from checkpointing.regular_files import NotRegularFileError, open_regular_file, read_regular
from checkpointing.resume import bring_in_line
from checkpointing.salvage import salvage
from checkpointing.storage_errors import StorageCheck, no_check

LOCK_TIMEOUT_SECONDS = 60.0
_HEAD_BYTES = 512


class Signature(NamedTuple):
    """Tells one version of the file from another.

    Every save makes a new inode. But a file system may reuse the inode number at once, and its clock may stand
    still for milliseconds; the revision, which is in the first bytes, always grows.
    """

    inode: int
    size: int
    mtime_ns: int
    head: bytes


class _Seen(NamedTuple):
    """A version of the file and its checkpoint, which must not be changed: readers get copies."""

    signature: Signature
    checkpoint: Checkpoint


class CheckpointFile:
    """The file `<root>/<scan_id>/checkpoints/<stage>.json`. Every method raises OSError where the storage failed.

    The file is then unchanged. Safe for use from several threads; `flock` excludes other processes.
    """

    def __init__(self, scan_dir: Path, stage: str, outputs: OutputFolder, check: StorageCheck = no_check) -> None:
        self._check = check
        self.path = scan_dir / "checkpoints" / f"{stage}.json"
        self.scan_dir = scan_dir
        self.scan_id = scan_dir.name
        self.stage = stage
        self._outputs = outputs
        self._thread_lock = threading.RLock()
        self._seen: _Seen | None = None
        self._set_aside: Path | None = None
        self._older: tuple[str, bytes] | None = None

    def read(self) -> Checkpoint:
        """Return a copy of the checkpoint; a new one where there is no file.

        Raises:
            CheckpointError: the file is corrupt, of a newer version, or of another book.
        """
        seen = self._seen
        with contextlib.suppress(FileNotFoundError, NotRegularFileError):
            if seen is not None and seen.signature == self.signature():
                return _copy(seen.checkpoint)
        return self._read_anew()

    def is_of_this_version(self) -> bool:
        """Return whether there is a checkpoint of this version: an older one may lack outputs that count.

        It raises what `read` raises.
        """
        self.read()
        return self._seen is not None and self._older is None

    def read_or_salvage(self) -> tuple[Checkpoint, str | None]:
        """Return the checkpoint and None; of a file that cannot be used, what can still be read and its name.

        It changes nothing.
        """
        try:
            return self.read(), None
        except CheckpointError:
            return self._salvaged(self._raw()), self.path.name

    def signature(self) -> Signature:
        """Return what identifies the version of the file, without reading all of it."""
        with open_regular_file(self.path) as file:
            stat = os.fstat(file.fileno())
            return Signature(stat.st_ino, stat.st_size, stat.st_mtime_ns, file.read(_HEAD_BYTES))

    @contextlib.contextmanager
    def exclusive(self, timeout: float = LOCK_TIMEOUT_SECONDS) -> Iterator[Checkpoint]:
        """Lock the checkpoint, to change it and `save()` it. A change that is not saved is lost.

        A process that holds the lock is waited for `timeout` seconds. A file that cannot be used is kept under a
        dated name, and the checkpoint is rebuilt from the outputs; its cost is carried over where it can be read.
        `take_set_aside()` then returns the path of the old file.

        Raises:
            CheckpointError: another process or thread held the lock for too long.
        """
        with self._thread_locked(timeout):
            self._check()
            make_folder(self.path.parent)
            with file_lock(self.path.with_suffix(".lock"), timeout):
                checkpoint = self._current()
                yield checkpoint

    def save(self, checkpoint: Checkpoint) -> None:
        """Write the checkpoint durably, as the next revision. Only inside `exclusive()`.

        Raises:
            InvariantError: it contradicts itself, or its total cost is lower than the file's.
        """
        checkpoint.check_invariants()
        if self._seen is not None and checkpoint.total_cost_usd < self._seen.checkpoint.total_cost_usd:
            raise InvariantError(
                f"refusing to lower the total cost in {self.path} from ${self._seen.checkpoint.total_cost_usd} to "
                f"${checkpoint.total_cost_usd}",
                hint="please report this",
            )
        self._check()
        checkpoint.revision += 1
        checkpoint.updated_at = now()
        self._keep_older()
        data = checkpoint.model_dump_json().encode()
        # The checkpoint was checked, so equal bytes on disk are a valid checkpoint.
        write_durably(self.path, data, lambda raw: _check_equal(raw, data))
        self._seen = _Seen(self.signature(), _copy(checkpoint))

    def take_set_aside(self) -> Path | None:
        """Return the path that an unusable file was kept under, once; None where there was none."""
        aside, self._set_aside = self._set_aside, None
        return aside

    def remove_orphans(self) -> list[Path]:
        """Delete the temp files of crashed writers beside the file."""
        return remove_orphans(self.path.parent, self.path.name)

    @contextlib.contextmanager
    def _thread_locked(self, timeout: float) -> Iterator[None]:
        if not self._thread_lock.acquire(timeout=timeout):
            raise CheckpointError(f"{self.path} has been held by another thread for {timeout:g} s; try again")
        try:
            yield
        finally:
            self._thread_lock.release()

    def _read_anew(self) -> Checkpoint:
        try:
            # In this order: a version that is saved in between is read again the next time.
            signature = self.signature()
            raw = read_regular(self.path)
        except FileNotFoundError:
            # A user who deletes the file resets the stage.
            self._seen = None
            return self._blank()
        except NotRegularFileError:
            raise self._unusable("it is not a regular file") from None
        checkpoint = self._parse(raw)
        self._seen = _Seen(signature, checkpoint)
        return _copy(checkpoint)

    def _raw(self) -> bytes:
        """Return the bytes of a file that cannot be used; none of a FIFO, which the next save replaces."""
        try:
            return read_regular(self.path)
        except NotRegularFileError:
            return b""

    def _salvaged(self, raw: bytes) -> Checkpoint:
        """Return a new checkpoint with what can still be read of a broken file."""
        checkpoint = self._blank()
        salvage(checkpoint, raw, None if self._seen is None else self._seen.checkpoint)
        return checkpoint

    def _blank(self) -> Checkpoint:
        return Checkpoint(scan_id=self.scan_id, stage=self.stage, output_dir=self._outputs.path.name)

    def _current(self) -> Checkpoint:
        """Return what is on disk, under the lock; parse it only where it changed since the last read."""
        seen = self._seen
        try:
            checkpoint = self.read()
        except CheckpointError:
            return self._rebuild(self._raw())
        if self._seen is not seen:
            # Its writer may have died before it synced the folder: without this, a later version could be durable
            # and this one not.
            sync_folder(self.path.parent)
        return checkpoint

    def _rebuild(self, raw: bytes) -> Checkpoint:
        self._set_aside = self._keep(raw)
        checkpoint = self._salvaged(raw)
        if self._seen is not None:
            # This process may know a cost that the broken file has lost.
            checkpoint.raise_cost_to(self._seen.checkpoint.total_cost_usd)
        known_total = checkpoint.total_pages
        bring_in_line(checkpoint, self._outputs, known_total or max(self._outputs.pages(), default=0))
        # Where the length of the book cannot be read, the last output does not tell it.
        checkpoint.total_pages = known_total
        self.save(checkpoint)
        return checkpoint

    def _keep(self, raw: bytes) -> Path:
        """Copy an unusable file to a dated name. The file stays until a save replaces it."""
        digest = hashlib.sha256(raw).hexdigest()[:12]
        kept = next(self.path.parent.glob(f"{self.path.name}.unusable-*-{digest}"), None)
        if kept is None:
            kept = self.path.with_name(f"{self.path.name}.unusable-{now():%Y%m%dT%H%M%SZ}-{digest}")
            write_durably(kept, raw, bytes)
        return kept

    def _keep_older(self) -> None:
        """Copy a file of an older version beside, once: it may say more than is kept of it."""
        if self._older is None:
            return
        version, raw = self._older
        kept = self.path.with_name(f"{self.path.name}.version-{version}")
        if not kept.exists():
            write_durably(kept, raw, bytes)
        self._older = None

    def _parse(self, raw: bytes) -> Checkpoint:
        self._older = None
        try:
            checkpoint, older_version = parse(raw, self.scan_id, self.stage, self._outputs.path.name)
        except UnusableFileError as error:
            raise self._unusable(str(error)) from None
        if older_version is not None:
            self._older = older_version, raw
        return checkpoint

    def _unusable(self, why: str) -> CheckpointError:
        return CheckpointError(
            f"the checkpoint {self.path} cannot be used: {why}",
            hint=f"`producer enqueue {self.scan_id} --stage {self.stage}` sets it aside and rebuilds it",
        )


def _copy(checkpoint: Checkpoint) -> Checkpoint:
    """Return a copy for changes. A checkpoint replaces its parts, or changes them one level deep."""
    parts = {
        "pages": dict(checkpoint.pages),
        "attempts": dict(checkpoint.attempts),
        "ledger": dict(checkpoint.ledger),
        "ledger_fractions": dict(checkpoint.ledger_fractions),
        "metadata": dict(checkpoint.metadata),
        "doubtful_pages": list(checkpoint.doubtful_pages),
    }
    return checkpoint.model_copy(update=parts)


def _check_equal(raw: bytes, data: bytes) -> None:
    if raw != data:
        raise OSError(errno.EIO, "the bytes read back differ from those written")

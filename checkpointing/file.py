"""The checkpoint file: the only code that reads or writes it.

A change happens inside `exclusive()`: under `flock`, on what stands on disk at that moment, and counts from
`save()` on. The manager of a single process and the coordinator of many go through the same door. A file that
cannot be used is kept under a dated name, and rebuilt from the outputs.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from checkpointing.atomic import make_folder, remove_orphans, sync_folder, write_durably
from checkpointing.checkpoint import CHECKPOINT_VERSION, Checkpoint
from checkpointing.errors import CheckpointError, InvariantError
from checkpointing.fields import PageRange, now
from checkpointing.locks import file_lock
from checkpointing.money import add_usd
from checkpointing.outputs import OutputFolder
from checkpointing.regular_files import NotRegularFileError, open_regular_file, read_regular
from checkpointing.resume import bring_in_line
from checkpointing.storage_errors import StorageCheck, no_check

LOCK_TIMEOUT_SECONDS = 60.0
_OLDER_VERSIONS = {"1.0"}
_MOST_USD = 1e9
_HEAD_BYTES = 512
# A number that the end of a torn file cuts off is another number.
_COST = re.compile(rb'"total_(?:cost_)?usd"\s*:\s*([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?=\s*[,}])')
_BEFORE_LEDGER = re.compile(rb'"cost_before_ledger_usd"\s*:\s*([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?=\s*[,}])')
_OF_THIS_VERSION = re.compile(rb'"version"\s*:\s*"2\.0"')
_NO_LEDGER = re.compile(rb'"ledger"\s*:\s*{\s*}')
_TOTAL = re.compile(rb'"total_pages"\s*:\s*([0-9]{1,7})\b')
_REQUESTED = re.compile(rb'"requested"\s*:\s*(\[[\[\]0-9,\s]*\])\s*,')
_RANGES = TypeAdapter(list[PageRange])


class Signature(NamedTuple):
    """Tells one version of the file from another.

    Every save makes a new inode; but a file system may use its number again at once, and its clock may stand still
    for milliseconds. The revision, which is in the first bytes, goes on.
    """

    inode: int
    size: int
    mtime_ns: int
    head: bytes


class _Seen(NamedTuple):
    """A version of the file, and what it says. Not to be changed: readers get copies."""

    signature: Signature
    checkpoint: Checkpoint


class CheckpointFile:
    """One `<root>/<scan_id>/checkpoints/<stage>.json`.

    Safe for use from several threads; other processes are kept out by `flock`.

    Args:
        scan_dir: `<root>/<scan_id>`.
        stage: name of the stage.
        outputs: of the stage; a checkpoint that cannot be used is rebuilt from them.
        check: called before anything is written; raises where the storage is not the right one.
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
        """The checkpoint as it stands; a new one where there is no file. Changing it changes no file.

        Raises:
            CheckpointError: the file is corrupt, of a newer version, or of another book.
            OSError: the storage failed.
        """
        seen = self._seen
        with contextlib.suppress(FileNotFoundError, NotRegularFileError):
            if seen is not None and seen.signature == self.signature():
                return _copy(seen.checkpoint)
        return self._read_anew()

    def is_of_this_version(self) -> bool:
        """Whether there is a checkpoint, and of this version: an older one may not know all outputs that count.

        Raises:
            CheckpointError, OSError: as `read`.
        """
        self.read()
        return self._seen is not None and self._older is None

    def read_or_salvage(self) -> tuple[Checkpoint, str | None]:
        """As `read`; of a file that cannot be used, what can still be read of it. Changes nothing.

        Returns:
            The checkpoint, and the name of the file where it cannot be used.

        Raises:
            OSError: the storage failed.
        """
        try:
            return self.read(), None
        except CheckpointError:
            return self._salvage(self._raw()), self.path.name

    def signature(self) -> Signature:
        """Which version of the file is there, without reading all of it.

        Raises:
            OSError: there is none, or the storage failed.
        """
        with open_regular_file(self.path) as file:
            stat = os.fstat(file.fileno())
            return Signature(stat.st_ino, stat.st_size, stat.st_mtime_ns, file.read(_HEAD_BYTES))

    @contextlib.contextmanager
    def exclusive(self, timeout: float = LOCK_TIMEOUT_SECONDS) -> Iterator[Checkpoint]:
        """Hold the checkpoint alone, to change it and `save()` it. A change that is not saved is forgotten.

        A file that cannot be used is kept under a dated name, and the checkpoint is rebuilt from the outputs; its
        cost is carried over where it can be read. `take_set_aside()` then says so.

        Args:
            timeout: seconds to wait for whoever holds it now.

        Raises:
            CheckpointError: somebody else held it all that time.
            OSError: the storage failed; the file is as it was.
        """
        with self._alone_in_process(timeout):
            self._check()
            make_folder(self.path.parent)
            with file_lock(self.path.with_suffix(".lock"), timeout):
                checkpoint = self._current()
                yield checkpoint

    def save(self, checkpoint: Checkpoint) -> None:
        """Write it durably, as the next revision. Only inside `exclusive()`.

        Raises:
            InvariantError: it contradicts itself, or tells of less money than the file.
            OSError: the storage failed; the file is as it was.
        """
        checkpoint.check_invariants()
        if self._seen is not None and checkpoint.total_cost_usd < self._seen.checkpoint.total_cost_usd:
            raise InvariantError(
                f"{self.path} was about to tell of ${checkpoint.total_cost_usd}, "
                f"and says ${self._seen.checkpoint.total_cost_usd}; please report this"
            )
        self._check()
        checkpoint.revision += 1
        checkpoint.updated_at = now()
        self._keep_older()
        data = checkpoint.model_dump_json().encode()
        # These bytes came out of a checkpoint that holds together: where they stand on disk, so does it.
        write_durably(self.path, data, lambda raw: _insist_on(raw, data))
        self._seen = _Seen(self.signature(), _copy(checkpoint))

    def take_set_aside(self) -> Path | None:
        """Where an unusable checkpoint was put, once; None when there was none."""
        aside, self._set_aside = self._set_aside, None
        return aside

    def remove_orphans(self) -> list[Path]:
        """Delete what crashed writers left half-written beside the file."""
        return remove_orphans(self.path.parent, self.path.name)

    @contextlib.contextmanager
    def _alone_in_process(self, timeout: float) -> Iterator[None]:
        if not self._thread_lock.acquire(timeout=timeout):
            raise CheckpointError(f"{self.path} has been held by another thread for {timeout:g} s; try again")
        try:
            yield
        finally:
            self._thread_lock.release()

    def _read_anew(self) -> Checkpoint:
        try:
            # In this order: a version that comes in between is read again the next time.
            signature = self.signature()
            raw = read_regular(self.path)
        except FileNotFoundError:
            # Whoever deleted it means that.
            self._seen = None
            return self._blank()
        except NotRegularFileError:
            raise self._unusable("it is not a regular file") from None
        checkpoint = self._parse(raw)
        self._seen = _Seen(signature, checkpoint)
        return _copy(checkpoint)

    def _raw(self) -> bytes:
        """The bytes of a file that cannot be used; none of a FIFO and the like, which the next save replaces."""
        try:
            return read_regular(self.path)
        except NotRegularFileError:
            return b""

    def _blank(self) -> Checkpoint:
        return Checkpoint(scan_id=self.scan_id, stage=self.stage, output_dir=self._outputs.path.name)

    def _current(self) -> Checkpoint:
        """What is on disk, parsed only when it is not what was last seen here. Under the lock."""
        seen = self._seen
        try:
            checkpoint = self.read()
        except CheckpointError:
            return self._rebuild(self._raw())
        if self._seen is not seen:
            # Its writer may have died before it synced the folder; what builds on this version must not outlive it.
            sync_folder(self.path.parent)
        return checkpoint

    def _rebuild(self, raw: bytes) -> Checkpoint:
        self._set_aside = self._keep(raw)
        checkpoint = self._salvage(raw)
        if self._seen is not None:
            # Where the broken file does not tell any more, this process may know.
            checkpoint.raise_cost_to(self._seen.checkpoint.total_cost_usd)
        known_total = checkpoint.total_pages
        bring_in_line(checkpoint, self._outputs, known_total or max(self._outputs.pages(), default=0))
        # Where the book's length cannot be read, the last output does not tell it.
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
        with contextlib.suppress(ValidationError, RecursionError):
            checkpoint = Checkpoint.model_validate_json(raw)
            names = (checkpoint.version, checkpoint.scan_id, checkpoint.stage)
            if names == (CHECKPOINT_VERSION, self.scan_id, self.stage):
                return checkpoint
        return self._parse_slowly(raw)

    def _parse_slowly(self, raw: bytes) -> Checkpoint:
        """An older version; or whatever cannot be used, with the reason."""
        try:
            data = json.loads(raw)
        except (ValueError, RecursionError):
            raise self._unusable("it is not whole JSON") from None
        if not isinstance(data, dict):
            raise self._unusable("it is not a JSON object")
        version = data.get("version")
        if isinstance(version, str) and version in _OLDER_VERSIONS:
            self._older = version, raw
            data = _of_today({"output_dir": self._outputs.path.name, **data})
        elif version != CHECKPOINT_VERSION:
            raise self._unusable(f"its version is {version!r}, this Leafmark reads {CHECKPOINT_VERSION!r}")
        for field, ours in (("scan_id", self.scan_id), ("stage", self.stage)):
            if data.get(field) != ours:
                raise self._unusable(f"it belongs to {field} {data.get(field)!r}, not {ours!r}")
        try:
            return Checkpoint.model_validate_json(raw if version == CHECKPOINT_VERSION else json.dumps(data))
        except (ValidationError, RecursionError):
            raise self._unusable("its fields do not match the format") from None

    def _unusable(self, why: str) -> CheckpointError:
        return CheckpointError(
            f"the checkpoint {self.path} cannot be used: {why}",
            hint=f"`producer enqueue {self.scan_id} --stage {self.stage}` sets it aside and rebuilds it",
        )

    def _salvage(self, raw: bytes) -> Checkpoint:
        """A new checkpoint with what can still be read of a broken one: money above all."""
        checkpoint = self._blank()
        self._salvage_money(checkpoint, raw)
        if not self._is_about_us(raw):
            return checkpoint
        total, requested = _TOTAL.search(raw), _REQUESTED.search(raw)
        if total:
            checkpoint.total_pages = int(total[1])
        if requested:
            with contextlib.suppress(ValidationError):
                checkpoint.requested = _RANGES.validate_json(requested[1])
        if checkpoint.pending():
            checkpoint.begin()
        return checkpoint

    def _salvage_money(self, checkpoint: Checkpoint, raw: bytes) -> None:
        """The total, and how much of it was spent before there was a ledger: the rest must not be added again."""
        costs = [float(amount) for amount in _COST.findall(raw)]
        if costs:
            checkpoint.raise_cost_to(add_usd(min(max(costs), _MOST_USD)))
        before_ledger = _BEFORE_LEDGER.search(raw)
        if before_ledger:
            checkpoint.earlier_cost_usd = min(float(before_ledger[1]), checkpoint.total_cost_usd)
        elif self._seen is not None:
            checkpoint.earlier_cost_usd = self._seen.checkpoint.earlier_cost_usd
        elif _OF_THIS_VERSION.search(raw) and not _NO_LEDGER.search(raw):
            # Cut off before it tells. Nearly all of it will have been the ledger's.
            checkpoint.earlier_cost_usd = 0.0

    def _is_about_us(self, raw: bytes) -> bool:
        """Whether broken JSON still names our scan and stage: the book's length in another's file is not ours."""
        names = {"scan_id": self.scan_id, "stage": self.stage}
        fields = (rf'"{field}"\s*:\s*"{re.escape(name)}"' for field, name in names.items())
        return all(re.search(field.encode(), raw) for field in fields)


def _of_today(data: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint of version 1.0 in the form of today.

    Until a stage had ended, Scanshelf kept what it cost in `costs.total_usd`, page by page as estimated; at its end
    it wrote what was really spent into `metadata.total_cost_usd`.
    """
    metadata, costs = data.get("metadata"), data.get("costs")
    if isinstance(metadata, dict) and isinstance(costs, dict) and not metadata.get("total_cost_usd"):
        data = {**data, "metadata": {**metadata, "total_cost_usd": costs.get("total_usd", 0.0)}}
    return {**data, "version": CHECKPOINT_VERSION}


def _copy(checkpoint: Checkpoint) -> Checkpoint:
    """One that can be changed without changing the other. Its parts are replaced, or changed one level deep."""
    parts = {
        "pages": dict(checkpoint.pages),
        "attempts": dict(checkpoint.attempts),
        "ledger": dict(checkpoint.ledger),
        "ledger_fractions": dict(checkpoint.ledger_fractions),
        "metadata": dict(checkpoint.metadata),
        "doubtful_pages": list(checkpoint.doubtful_pages),
    }
    return checkpoint.model_copy(update=parts)


def _insist_on(raw: bytes, data: bytes) -> None:
    if raw != data:
        raise OSError(errno.EIO, "what was read back is not what was written")

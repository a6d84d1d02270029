"""The books under one storage root: scans, outputs, checkpoints, ledgers and open stages. It needs no broker."""

from collections.abc import Callable, Mapping
from copy import copy
from functools import lru_cache
from pathlib import Path

from checkpointing.errors import LeafmarkError, SettingsError
from checkpointing.file import CheckpointFile
from checkpointing.ledger import Ledger
from checkpointing.money import Money
from checkpointing.output_schema import OutputSchema
from checkpointing.outputs import OutputFolder
from checkpointing.refs import StageRef
from worker.config.configured_stages import ConfiguredStages
from worker.pages.metadata import ScanMetadata
from worker.pages.renumbering import refuse_renumbering
from worker.pages.scan import ForeignScanError, ScanFolder
from worker.storage.open_stages import OpenStages
from worker.storage.outage_notes import OutageNotes
from worker.storage.root_marker import library_at

# How many scans a process remembers things about; and how many checkpoints, which may be large.
_CACHED_SCANS = 64
_CACHED_CHECKPOINTS = 8


class BookStore:
    """The files of all books of a deployment.

    Args:
        take_in: makes a scan of a folder that another program left; by default that is an error.
    """

    def __init__(
        self,
        root: Path,
        stages: ConfiguredStages,
        take_in: Callable[[ScanFolder], ScanMetadata] | None = None,
    ) -> None:
        self.root = root
        self.stages = stages
        self.settings = stages.settings
        self.library = library_at(root)
        self.open_stages = OpenStages(root, self.library.check_to_write)
        self.outage_notes = OutageNotes(root, self.library.check_to_write)
        self._take_in = take_in
        self._other_metadata: Mapping[str, ScanMetadata] = {}
        # Made once each: a checkpoint file remembers what it last read.
        self.checkpoint_file = lru_cache(_CACHED_CHECKPOINTS)(self._make_checkpoint_file)
        self.outputs = lru_cache(_CACHED_SCANS)(self._make_outputs)
        self._metadata = lru_cache(_CACHED_SCANS)(self._read_metadata)

    def scan(self, scan_id: str) -> ScanFolder:
        """Return the folder of a scan."""
        return ScanFolder(self.root, scan_id)

    def metadata(self, scan_id: str) -> ScanMetadata:
        """Return the metadata of a scan.

        Raises:
            StorageError: the library is not there: a scan on a share that is not mounted is not unknown.
            UnknownNameError: there is no such scan.
            InputError: its metadata is broken.
            BeingRenumberedError: its pages are being renumbered.
        """
        self.library.check()
        refuse_renumbering(self.scan(scan_id).path)
        if scan_id in self._other_metadata:
            return self._other_metadata[scan_id]
        try:
            stat = self.scan(scan_id).record_path.stat()
        except OSError:
            # Raises what is wrong.
            return self._read_metadata(scan_id)
        return self._metadata(scan_id, (stat.st_ino, stat.st_size, stat.st_mtime_ns))

    def queue_of(self, ref: StageRef) -> str:
        """Return the queue that the pages of a stage of a scan go through: its own, or a dedicated one."""
        if not self.stages.get(ref.stage).has_engine:
            return ref.stage
        try:
            return self.stages.queue_of(self.metadata(ref.scan_id), ref.stage)
        except LeafmarkError:
            # The command or the worker that reads the metadata reports what is wrong with it.
            return ref.stage

    def lacking_for(self, ref: StageRef) -> str:
        """Return what is not installed here of what the dedicated queue of these pages needs; empty if nothing."""
        queue = self.queue_of(ref)
        if queue == ref.stage:
            return ""
        try:
            self.stages.check_can_serve(queue)
        except SettingsError as error:
            return str(error)
        return ""

    def with_metadata(self, metadata: ScanMetadata) -> "BookStore":
        """Return the same books, of which one counts as having this metadata instead of that in its file."""
        other = copy(self)
        other._other_metadata = {**self._other_metadata, metadata.scan_id: metadata}  # noqa: SLF001  # of this class
        return other

    def ledger(self, ref: StageRef) -> Ledger:
        """Return the ledger of a stage of a scan."""
        return Ledger(self.scan(ref.scan_id).path, ref.stage, self.library.check_to_write)

    def spent_on(self, ref: StageRef, page: int) -> Money | None:
        """Return what a page has cost so far; None where the stage uses no model.

        Raises:
            OSError: the storage failed.
        """
        return self.ledger(ref).spent(page) if self.stages.get(ref.stage).uses_model else None

    def _read_metadata(self, scan_id: str, _version: object = None) -> ScanMetadata:
        scan = self.scan(scan_id)
        try:
            return scan.read_metadata()
        except ForeignScanError:
            if self._take_in is None:
                raise
            return self._take_in(scan)

    def _make_outputs(self, ref: StageRef) -> OutputFolder:
        stage = self.stages.get(ref.stage)
        return OutputFolder(
            self.scan(ref.scan_id).path / stage.output_dir,
            OutputSchema.of(stage.schema, stage.version),
            self.library.check_to_write,
        )

    def _make_checkpoint_file(self, ref: StageRef) -> CheckpointFile:
        return CheckpointFile(
            self.scan(ref.scan_id).path, ref.stage, self.outputs(ref), self.library.check_to_write
        )

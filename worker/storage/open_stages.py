"""The stages that have work under way: one small file for each, on shared storage.

Kept on storage and not in Redis, so that a flushed Redis can be healed without anyone's help; and in one folder,
so that finding them does not mean looking into a hundred thousand scans. Each holds the page ranges that were asked
for, a second copy for when the checkpoint itself is destroyed.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from checkpointing.atomic import make_folder, remove_orphans, write_durably
from checkpointing.fields import PageRange
from checkpointing.refs import StageRef, is_scan_id
from checkpointing.regular_files import read_regular
from checkpointing.storage_errors import StorageCheck, no_check

OWN_FOLDER = ".leafmark"
_RANGES = TypeAdapter(list[PageRange])


class OpenStages:
    """The list of open stages of one storage root. Every method raises OSError where the storage failed."""

    def __init__(self, root: Path, check: StorageCheck = no_check) -> None:
        self._root = root
        self._check = check
        self._folder = root / OWN_FOLDER / "open"

    def add(self, ref: StageRef, requested: Sequence[PageRange] = ()) -> None:
        """Note that work is under way on these pages. Before the first of them is enqueued."""
        self._check()
        make_folder(self._folder, within=self._root)
        remove_orphans(self._folder)
        write_durably(self._path(ref), _RANGES.dump_json(list(requested)), _RANGES.validate_json)

    def requested(self, ref: StageRef) -> list[PageRange]:
        """Return the page ranges that were asked for; none where the file is gone or cannot be read."""
        try:
            return _RANGES.validate_json(read_regular(self._path(ref)))
        except (OSError, ValidationError):
            return []

    def is_open(self, ref: StageRef) -> bool:
        """Return whether work is under way."""
        return self._path(ref).exists()

    def remove(self, ref: StageRef) -> None:
        """Note that nothing is left to do."""
        self._check()
        self._path(ref).unlink(missing_ok=True)

    def all(self) -> list[StageRef]:
        """Return the open stages, sorted."""
        if not self._folder.is_dir():
            return []
        pairs = (path.name.rpartition("@") for path in self._folder.iterdir())
        return sorted(
            StageRef(scan_id, stage) for scan_id, _, stage in pairs if is_scan_id(scan_id) and "." not in stage
        )

    def _path(self, ref: StageRef) -> Path:
        return self._folder / f"{ref.scan_id}@{ref.stage}"

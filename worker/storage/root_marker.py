"""The library: a storage root with Leafmark's marker, so that an empty folder in its place is not taken for it.

The marker is `<root>/.leafmark/library.json`. The producer that ingests the first book makes it; a root that an
older version filled gets one from the process that meets it first. A share that is not mounted has none; another
one has another id. Every writer checks the marker first: nothing is written, paid for or given up without it.
"""

import errno
import uuid
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field, ValidationError

from checkpointing.atomic import make_folder, write_durably
from checkpointing.errors import StorageError
from checkpointing.fields import OpenModel, now
from checkpointing.locks import file_lock
from checkpointing.regular_files import read_regular
from checkpointing.storage_errors import storage_error
from worker.pages.scan import list_scans
from worker.storage.open_stages import OWN_FOLDER

_LOCK_SECONDS = 10.0
# Which file it is, so that one that stands in its place is read again.
_Identity = tuple[int, int, int]


class Marker(OpenModel):
    """The content of the marker of a library, whose id tells it from every other one."""

    version: str = "1"
    library_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    created_at: AwareDatetime


class NotALibraryError(StorageError):
    """There is no library at the storage root: it is not mounted, was emptied, or no book was ingested yet."""


class Library:
    """The library of one storage root, as this process and the processes that it forks know it.

    Every method raises NotALibraryError where there is none, or another one than this process has seen, and
    StorageError where the storage cannot say.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.marker_path = root / OWN_FOLDER / "library.json"
        self._id: str | None = None
        self._checked: _Identity | None = None
        self._root_identity: tuple[int, int] | None = None

    def check(self, *, to_write: bool = False) -> None:
        """Return if the library that this process works in is there. The first one that it sees is that one.

        Costs one `stat` where nothing has changed. Before something is written (`to_write`), a root that an older
        version filled gets a marker.
        """
        try:
            identity = self._identity()
            if identity is not None and identity == self._checked:
                return
            if identity is None:
                self._look_without_marker(to_write=to_write)
            else:
                self._accept(self._read(), identity)
        except OSError as error:
            raise storage_error(error, self._root) from error

    def check_to_write(self) -> None:
        """Check as `check` does, before anything is written below the root."""
        self.check(to_write=True)

    def make(self) -> None:
        """Make the storage root a library, and the root itself, where they are missing."""
        try:
            if self._identity() is None:
                make_folder(self.marker_path.parent, within=Path(self._root.anchor))
                self._write(self._id or uuid.uuid4().hex)
        except OSError as error:
            raise storage_error(error, self._root) from error
        self.check()

    def _identity(self) -> _Identity | None:
        try:
            stat = self.marker_path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return stat.st_dev, stat.st_ino, stat.st_mtime_ns

    def _read(self) -> Marker:
        try:
            return Marker.model_validate_json(read_regular(self.marker_path))
        except ValidationError:
            raise NotALibraryError(
                f"{self.marker_path} is damaged",
                hint="restore it from a backup, or delete it and start the workers again",
            ) from None

    def _accept(self, marker: Marker, identity: _Identity) -> None:
        if self._id is not None and marker.library_id != self._id:
            raise NotALibraryError(
                f"{self._root} holds another library than the one that this process works in",
                hint="mount the right one there, or start this process again",
            )
        self._id = marker.library_id
        self._checked = identity
        self._root_identity = self._identity_of_root()

    def _look_without_marker(self, *, to_write: bool) -> None:
        """Return where it is certain that the scans are those of this library, though its marker is missing."""
        if self._root.exists() and not self._root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "")
        if not self._root.is_dir():
            raise NotALibraryError(
                f"there is no folder {self._root}",
                hint="mount it, or set LEAFMARK_STORAGE_ROOT; `producer ingest SOURCE` makes a new one",
            )
        is_same_folder = self._id is None or self._identity_of_root() == self._root_identity
        if not is_same_folder or not list_scans(self._root):
            raise NotALibraryError(
                f"{self._root} is not a Leafmark library: it has neither {OWN_FOLDER}/{self.marker_path.name} nor "
                "scans",
                hint="mount it if it is a share; `producer ingest SOURCE` makes a new library there",
            )
        if to_write:
            make_folder(self.marker_path.parent)
            self._write(self._id or uuid.uuid4().hex)
            self.check()

    def _write(self, library_id: str) -> None:
        """Make the marker, unless another process was quicker."""
        with file_lock(self.marker_path.with_suffix(".lock"), _LOCK_SECONDS):
            if self._identity() is None:
                marker = Marker(library_id=library_id, created_at=now())
                write_durably(
                    self.marker_path, marker.model_dump_json().encode() + b"\n", Marker.model_validate_json
                )

    def _identity_of_root(self) -> tuple[int, int]:
        stat = self._root.stat()
        return stat.st_dev, stat.st_ino


@cache
def library_at(root: Path) -> Library:
    """Return the library of a storage root: one for the whole process, and for the processes that it forks."""
    return Library(root)

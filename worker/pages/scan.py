"""A scan: its folder, and the list of all scans under a storage root.

    <root>/<scan_id>/metadata.json            what the scan is; its presence makes the folder a scan
    <root>/<scan_id>/leafmark.json            the same, where another program wrote metadata.json
    <root>/<scan_id>/source/                  the PDF or the page images, as they came
    <root>/<scan_id>/<output_dir>/            one JSON a page, for each stage
    <root>/<scan_id>/checkpoints/<stage>.json
    <root>/<scan_id>/logs/

After ingest only `producer.ingest.metadata_file` changes the metadata, under a lock, and replaces the file in one
step: a reader needs no lock. A reader that caches the metadata compares the file's stat.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from checkpointing.errors import InputError, UnknownNameError
from checkpointing.refs import check_scan_id, is_scan_id
from checkpointing.regular_files import NotRegularFileError, read_regular
from checkpointing.storage_errors import storage_error, storage_errors
from worker.pages.metadata import ScanMetadata
from worker.pages.renumbering import refuse_renumbering
from worker.text.suggestions import closest

RECORD_BESIDE = "leafmark.json"
"""Leafmark's metadata of a scan whose `metadata.json` belongs to another program and stays as it is."""
_RESTORE = "restore it from a backup, or move the folder away and ingest the source again"


class ForeignScanError(InputError):
    """A folder that another program made: it can be taken in as a scan (`producer.ingest.scanshelf_folder`)."""


@dataclass(frozen=True, slots=True)
class ScanFolder:
    """The paths of one scan below the storage root.

    Raises:
        InputError: the id could lead out of the root.
    """

    root: Path
    scan_id: str

    def __post_init__(self) -> None:
        check_scan_id(self.scan_id)

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.root / self.scan_id

    @property
    def source_dir(self) -> Path:
        """The PDF or the page images."""
        return self.path / "source"

    @property
    def metadata_path(self) -> Path:
        """The file that makes the folder a scan."""
        return self.path / "metadata.json"

    @property
    def record_path(self) -> Path:
        """Where `read_metadata` reads: `metadata.json`, or `leafmark.json` beside one of another program."""
        beside = self.path / RECORD_BESIDE
        return beside if beside.is_file() else self.metadata_path

    def is_taken_over(self, metadata: ScanMetadata) -> bool:
        """Whether another program made the folder: what Leafmark did not put there may be that program's."""
        kept = self.path / "checkpoints"
        return metadata.taken_over or self.record_path.name == RECORD_BESIDE or any(kept.glob("*.json.version-*"))

    @property
    def logs_dir(self) -> Path:
        """The logs of this scan."""
        return self.path / "logs"

    def checkpoint_path(self, stage: str) -> Path:
        """The checkpoint of a stage."""
        return self.path / "checkpoints" / f"{stage}.json"

    def output_dir(self, name: str) -> Path:
        """The folder of a stage's outputs, `name` being the stage's `output_dir`."""
        return self.path / name

    def read_metadata(self) -> ScanMetadata:
        """Return the metadata of the scan.

        Raises:
            BeingRenumberedError: its pages are being renumbered.
            UnknownNameError: there is no such scan.
            ForeignScanError: another program made it, and it has not been taken in yet.
            InputError: `metadata.json` is broken, or belongs to another scan.
            StorageError: it cannot be read just now.
        """
        refuse_renumbering(self.path)
        path = self.record_path
        try:
            content = read_regular(path)
        except (FileNotFoundError, NotADirectoryError):
            raise self._foreign() if is_scan_folder(self.path) else self._unknown() from None
        except (NotRegularFileError, IsADirectoryError):
            raise InputError(f"{path} is not a regular file; {_RESTORE}") from None
        except OSError as error:
            raise storage_error(error, path) from error
        try:
            metadata = ScanMetadata.model_validate_json(content)
        except ValidationError as error:
            if _is_foreign(content):
                raise self._foreign() from None
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise InputError(f"{path} is broken ({where}: {first['msg']}); {_RESTORE}") from error
        # A file system that ignores case finds `book` under `BOOK`: two names for one folder, with a Redis
        # lock each. A folder copied under a new name would share the old one's history.
        if metadata.scan_id != self.scan_id:
            raise InputError(
                f"{path} belongs to the scan '{metadata.scan_id}', not to '{self.scan_id}'; "
                f"use that id, or give the folder that name again"
            )
        return metadata

    def _foreign(self) -> ForeignScanError:
        return ForeignScanError(
            f"{self.path} was made by another program; `producer status {self.scan_id}` takes it in as it is"
        )

    def _unknown(self) -> UnknownNameError:
        close = closest(self.scan_id, list_scans(self.root))
        hint = f"did you mean '{close}'?" if close else "`producer status` lists the scans"
        return UnknownNameError(f"there is no scan '{self.scan_id}' under {self.root}; {hint}")


def is_scan_folder(path: Path) -> bool:
    """Return whether a folder holds a scan: Leafmark's, or one that another program left with its checkpoints."""
    # Whatever stands there: a book whose metadata cannot be read is reported, and not left out.
    return (path / "metadata.json").exists() or ((path / "checkpoints").is_dir() and (path / "source").is_dir())


_OF_A_BOOK = ("checkpoints", "source", "ocr", "corrected", "structured")
"""Folders that a book has, whichever program made it."""


def incomplete_folders(root: Path) -> list[tuple[Path, str]]:
    """Return the folders under a storage root that belong to a book and are not a scan, with what each lacks.

    Raises:
        StorageError: the root cannot be read.
    """
    with storage_errors(root), suppress(FileNotFoundError):
        entries = sorted(entry for entry in root.iterdir() if is_scan_id(entry.name) and not is_scan_folder(entry))
        held = {entry: [name for name in _OF_A_BOOK if (entry / name).is_dir()] for entry in entries}
        return [(entry, _what_is_missing(entry, names)) for entry, names in held.items() if names]
    return []


def _what_is_missing(folder: Path, names: list[str]) -> str:
    if "source" in names:
        return (
            f"metadata.json and checkpoints are missing; `producer ingest {folder / 'source'}` makes a scan of it"
        )
    return f"its source is missing; put the book's PDF, or its page images, into {folder / 'source'}"


def _is_foreign(content: bytes) -> bool:
    """Whether a `metadata.json` is whole, and of another program: it says nothing of what we always say."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and bool(data) and not {"scan_id", "sha256"} & data.keys()


def list_scans(root: Path) -> list[str]:
    """Return the ids of all scans under a storage root, sorted; none where the root is missing.

    Raises:
        StorageError: the root cannot be read.
    """
    with storage_errors(root), suppress(FileNotFoundError):
        return sorted(entry.name for entry in root.iterdir() if is_scan_id(entry.name) and is_scan_folder(entry))
    return []

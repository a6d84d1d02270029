"""Changes of a scan's metadata after its ingest: under a lock, and the file is replaced in one step."""

import json
from contextlib import AbstractContextManager
from typing import Any

from checkpointing.atomic import remove_orphans, write_durably
from checkpointing.locks import file_lock
from checkpointing.regular_files import read_regular
from worker.pages.metadata import ScanMetadata
from worker.pages.scan import ScanFolder

_LOCK_SECONDS = 30.0


def metadata_lock(scan: ScanFolder) -> AbstractContextManager[object]:
    """Hold the lock on a scan's metadata: read it under the lock, as another process may have changed it.

    Raises:
        CheckpointError: another process held it for 30 seconds.
        OSError: the storage failed.
    """
    return file_lock(scan.path / "metadata.lock", _LOCK_SECONDS)


def read_form(scan: ScanFolder) -> dict[str, Any]:
    """Return the metadata as JSON and not as a model: fields that a newer version has written stay.

    Raises:
        OSError: the storage failed.
    """
    form: dict[str, Any] = json.loads(read_regular(scan.record_path))
    return form


def write_form(scan: ScanFolder, form: dict[str, Any]) -> None:
    """Replace the metadata.

    Raises:
        OSError: the storage failed.
    """
    path = scan.record_path
    remove_orphans(scan.path, path.name)
    data = json.dumps(form, indent=2, ensure_ascii=False).encode() + b"\n"
    write_durably(path, data, ScanMetadata.model_validate_json)

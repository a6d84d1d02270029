"""The scans that are not shown, counted by how they stand.

A library may hold thousands of scans, and nobody asked about these: of each checkpoint only the first bytes are
read, where the status stands. What does not stand there is counted as `other`.
"""

import re
from collections import Counter
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path

from checkpointing.models import Status
from checkpointing.regular_files import open_regular_file
from worker.pages.scan import ScanFolder, list_scans
from worker.pipeline.registry import STAGES

_HEAD_BYTES = 512
_STATUS = re.compile(rb'"status"\s*:\s*"([a-z_]+)"')
_OTHER = "other"
# A scan counts as that of its stages which most wants to be known.
_ORDER = [
    *(Status.FAILED, Status.PAUSED, _OTHER, Status.IN_PROGRESS, Status.CANCELLED, Status.PARTIAL, Status.COMPLETED),
    Status.NOT_STARTED,
]


def count_rest(root: Path, shown: Container[str]) -> str:
    """The other scans in one line, such as `12 other scans: 2 failed, 10 completed`; empty where there are none.

    Raises:
        StorageError: the storage root cannot be read.
    """
    counts = Counter(_stands(root, scan_id) for scan_id in list_scans(root) if scan_id not in shown)
    if not counts:
        return ""
    words = ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in _ORDER if counts[name])
    total = counts.total()
    return f"{total} other {'scan' if total == 1 else 'scans'}: {words}"


def _stands(root: Path, scan_id: str) -> str:
    found = set(_statuses(ScanFolder(root, scan_id)))
    return next((name for name in _ORDER if name in found), Status.NOT_STARTED)


def _statuses(scan: ScanFolder) -> Iterator[str]:
    for stage in STAGES:
        with suppress(OSError), open_regular_file(scan.checkpoint_path(stage)) as file:
            status = _STATUS.search(file.read(_HEAD_BYTES))
            name = status[1].decode() if status else _OTHER
            yield name if name in _ORDER else _OTHER

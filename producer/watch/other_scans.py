"""Count the scans that the view does not show, by status.

A library may hold thousands of scans. Only the first bytes of each checkpoint are read, which contain the status; a
checkpoint without a known status there counts as `other`.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from checkpointing.plurals import counted
from checkpointing.regular_files import open_regular_file
from checkpointing.status import Status
from worker.pages.scan import ScanFolder, list_scans
from worker.stages.registry import STAGES

_HEAD_BYTES = 512
_STATUS = re.compile(rb'"status"\s*:\s*"([a-z_]+)"')
_OTHER = "other"
# A scan counts under the first of these that one of its stages has.
_BY_URGENCY = [
    *(Status.FAILED, Status.PAUSED, _OTHER, Status.IN_PROGRESS, Status.CANCELLED, Status.PARTIAL, Status.COMPLETED),
    Status.NOT_STARTED,
]


def count_other_scans(root: Path, shown: Collection[str]) -> str:
    """Return one line such as `12 other scans: 2 failed, 10 completed`; empty if all scans are shown.

    Raises:
        StorageError: the storage root cannot be read.
    """
    counts = Counter(_status(ScanFolder(root, scan_id)) for scan_id in list_scans(root) if scan_id not in shown)
    if not counts:
        return ""
    by_status = ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in _BY_URGENCY if counts[name])
    return f"{counted(counts.total(), 'other scan' if shown else 'scan')}: {by_status}"


def _status(scan: ScanFolder) -> str:
    found = set(_stage_statuses(scan))
    return next((name for name in _BY_URGENCY if name in found), Status.NOT_STARTED)


def _stage_statuses(scan: ScanFolder) -> Iterator[str]:
    for stage in STAGES:
        with suppress(OSError), open_regular_file(scan.checkpoint_path(stage)) as file:
            status = _STATUS.search(file.read(_HEAD_BYTES))
            name = status[1].decode() if status else _OTHER
            yield name if name in _BY_URGENCY else _OTHER

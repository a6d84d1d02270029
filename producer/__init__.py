"""Ingest, enqueue and follow scanned books: the command line, and the public API for other programs.

Public are the names below and those of `checkpointing`; docs/how-to/use-as-a-library.md shows their use. Other
modules may change between versions.
"""

from typing import TYPE_CHECKING

from checkpointing.lazy_names import lazy_names

if TYPE_CHECKING:
    from producer.library import connect, follow, ingest_book
    from producer.planning.enqueue import enqueue, plan, requests_through
    from producer.planning.request import Plan, Request
    from producer.status.scan_status import ScanStatus, all_scans, scan_status

__all__ = [
    "Plan",
    "Request",
    "ScanStatus",
    "all_scans",
    "connect",
    "enqueue",
    "follow",
    "ingest_book",
    "plan",
    "requests_through",
    "scan_status",
]

__getattr__ = lazy_names(
    __name__,
    {
        "producer.library": ["connect", "follow", "ingest_book"],
        "producer.planning.enqueue": ["enqueue", "plan", "requests_through"],
        "producer.planning.request": ["Plan", "Request"],
        "producer.status.scan_status": ["ScanStatus", "all_scans", "scan_status"],
    },
)

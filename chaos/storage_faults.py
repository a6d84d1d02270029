"""Faults of the storage: a full disk and damaged files."""

import random
from contextlib import suppress

from chaos.history import FaultRecord
from chaos.plan import Fault
from chaos.storage import damage, swap
from chaos.targets import Targets
from chaos.timetable import Timetable


class StorageFaults:
    """Each public method is the fault of that name."""

    def __init__(self, targets: Targets, timetable: Timetable) -> None:
        self._targets = targets
        self._timetable = timetable

    def full_disk(self, fault: Fault, record: FaultRecord) -> None:
        disk = self._targets.disk
        record.met = disk.is_small
        if disk.is_small:
            disk.fill()
            self._timetable.over_after(record, fault.seconds, disk.free)

    def damage_output(self, fault: Fault, record: FaultRecord) -> None:
        rng = random.Random(fault.pick)
        candidates = [scan for scan in self._targets.scans.live if len(scan.watcher.valid_pages()) > 1]
        record.met = bool(candidates)
        if not candidates:
            return
        scan = rng.choice(candidates)
        pages = rng.sample(scan.watcher.valid_pages(), 2)
        scan.is_damaged = True
        with suppress(OSError):  # A worker may have replaced it, or a producer set it aside.
            if fault.variant == "swap":
                swap(*map(scan.output_path, pages))
            else:
                for page in pages:
                    damage(scan.output_path(page), fault.variant, rng)
        record.pages = tuple((scan.watcher.scan_id, page) for page in pages)

    def damage_checkpoint(self, fault: Fault, record: FaultRecord) -> None:
        rng = random.Random(fault.pick)
        candidates = [scan for scan in self._targets.scans.live if scan.reader.checkpoint]
        record.met = bool(candidates)
        if not candidates:
            return
        scan = rng.choice(candidates)
        scan.is_damaged = True
        with scan.reader.damaging(), suppress(FileNotFoundError):
            damage(scan.checkpoint_path, fault.variant, rng)

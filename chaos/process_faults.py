"""Faults of workers and producers, and commands at the wrong moment."""

import os
import signal
from contextlib import suppress

import psutil

from chaos.fleet import Worker
from chaos.history import FaultRecord
from chaos.plan import Fault
from chaos.scans import Scan
from chaos.targets import Targets, picked, preferably
from chaos.timetable import Timetable

_PRODUCER_AT_WORK_SECONDS = 1.5


class ProcessFaults:
    """Each public method is the fault of that name."""

    def __init__(self, targets: Targets, timetable: Timetable) -> None:
        self._targets = targets
        self._timetable = timetable

    def kill_worker(self, fault: Fault, record: FaultRecord) -> None:
        worker = self._pick_worker(fault)
        if worker is None:
            record.met = False
            return
        record.pids = tuple(self._pids(worker, fault))
        for pid in record.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def pause_worker(self, fault: Fault, record: FaultRecord) -> None:
        worker = self._pick_worker(fault)
        if worker is None:
            record.met = False
            return
        record.pids = tuple(self._pids(worker, fault))
        self._pause(record, fault.seconds)

    def _pause(self, record: FaultRecord, seconds: float) -> None:
        paused = []
        for pid in record.pids:
            with suppress(psutil.Error):
                paused.append(psutil.Process(pid))
                paused[-1].suspend()

        def resume() -> None:
            for process in paused:
                with suppress(psutil.Error):
                    process.resume()

        self._timetable.over_after(record, seconds, resume)

    def stop_worker(self, fault: Fault, record: FaultRecord) -> None:
        alive = self._targets.fleet.alive()
        record.met = bool(alive)
        if alive:
            self._targets.fleet.stop_one(picked(alive, fault))

    def rolling_restart(self, _fault: Fault, _record: FaultRecord) -> None:
        self._targets.fleet.roll()

    def _pick_worker(self, fault: Fault) -> Worker | None:
        fleet = self._targets.fleet
        alive = fleet.alive()
        if fault.variant == "child":
            alive = [worker for worker in alive if worker.child_pids()]
        busy = [worker for worker in alive if fleet.busy([worker.main_pid(), *worker.child_pids()])]
        return picked(preferably(busy, alive, fault), fault) if alive else None

    def _pids(self, worker: Worker, fault: Fault) -> list[int]:
        if fault.variant == "main":
            return [worker.main_pid()]
        children = worker.child_pids()
        if fault.variant == "group":
            return [worker.main_pid(), *children]
        busy = self._targets.fleet.busy(children)
        return [picked(preferably(busy, children, fault), fault)] if children else []

    def kill_producer(self, fault: Fault, record: FaultRecord) -> None:
        producer = self._targets.producers.start(self._any_scan(fault).scan_id)

        def kill() -> None:
            if producer.process.poll() is None:
                producer.process.kill()

        record.pids = (producer.process.pid,)
        self._timetable.over_after(record, fault.seconds, kill)

    def pause_producer(self, fault: Fault, record: FaultRecord) -> None:
        producer = self._targets.producers.start(self._any_scan(fault).scan_id)
        record.pids = (producer.process.pid,)
        self._timetable.after(_PRODUCER_AT_WORK_SECONDS * fault.pick, lambda: self._pause(record, fault.seconds))

    def two_producers(self, fault: Fault, _record: FaultRecord) -> None:
        scan = self._any_scan(fault)
        for _ in range(2):
            self._targets.producers.start(scan.scan_id)

    def recheck(self, fault: Fault, record: FaultRecord) -> None:
        damaged = [scan for scan in self._targets.scans.live if scan.is_damaged]
        record.met = bool(damaged)
        if damaged:
            self._targets.scans.check_again(picked(damaged, fault))

    def _any_scan(self, fault: Fault) -> Scan:
        return picked(self._targets.scans.live, fault)

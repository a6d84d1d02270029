"""A run: everything is started, faults come, then they stop and the system has to come to rest by itself."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from chaos.faults import Faults
from chaos.fleet import Fleet
from chaos.history import Log, read_attempts
from chaos.judge import LOGS, Order, Rest, Result, judge
from chaos.mode import JOURNAL, Mode
from chaos.observer import Observer
from chaos.processes import TOKEN_VARIABLE
from chaos.producers import Producers
from chaos.proxy import FaultProxy
from chaos.server import Server
from chaos.storage import SmallDisk
from chaos.targets import Targets

_TICK_SECONDS = 0.02
_FIRST_PAGE_SECONDS = 40.0
_PROBE_PAGES_A_WORKER = 12
_STOP_SECONDS = 30.0
_TELL_EVERY_SECONDS = 10.0
_DISK_MEBIBYTES = 64
_DISK_MEBIBYTES_A_SECOND = 0.5


class Run:
    """One run in a folder of its own.

    Args:
        order: what was asked for.
        folder: `history/` in it is worth keeping, the rest is not.
        mode: what it is about.
    """

    def __init__(self, order: Order, folder: Path, mode: type[Mode]) -> None:
        self._order = order
        self._folder = folder
        self.history_folder = folder / "history"
        self._journal = self.history_folder / JOURNAL
        self._log_folder = self.history_folder / LOGS
        self._journal.mkdir(parents=True)
        self._log_folder.mkdir()
        self._log = Log(self.history_folder / "events.jsonl")
        self._told_at = 0.0
        self._mode = mode(self.history_folder, order.seed)

    def run(self) -> Result:
        """Do it all.

        Raises:
            Exception: the harness itself failed. What it started may be left: the caller ends it.
        """
        with closing(self._log), self._targets() as targets:
            faults = Faults(targets, self._mode.plan(self._order.seconds), self._log)
            self._make_trouble(targets, faults)
            rest = self._let_alone(targets, faults)
            rest.wrong.extend(self._find_the_deaf(targets, faults))
            targets.fleet.stop(_STOP_SECONDS)
            targets.scans.observer.stop()
            return judge(self._order, targets, faults, self._mode, rest)

    @contextmanager
    def _targets(self) -> Iterator[Targets]:
        """Everything there is, started; without the fleet, which `tend()` starts."""
        seconds, seed, mode = self._order.seconds, self._order.seed, self._mode
        with ExitStack() as stack:
            root = self._folder / "scans"
            disk = SmallDisk(root, int(_DISK_MEBIBYTES + _DISK_MEBIBYTES_A_SECOND * seconds))
            stack.callback(disk.unmount)
            server = Server(self._folder / "broker")
            stack.callback(server.stop)
            proxy = FaultProxy(server.port, seed)
            proxy.start()
            stack.callback(proxy.stop)
            environment = {
                **_environment_of_ours(),
                "LEAFMARK_STORAGE_ROOT": str(root),
                "LEAFMARK_REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0",
                "LEAFMARK_MAX_ATTEMPTS": str(mode.max_attempts),
                "WORK_JOURNAL": str(self._journal),
                **mode.start(stack),
            }
            fleet = Fleet(self._order.workers, mode, environment, self._log_folder, self._log)
            producers = Producers(mode.application, environment, self._log_folder, self._log)
            observer = Observer()
            observer.start()
            scans = mode.scans(root, observer, producers, self._log)
            yield Targets(server, proxy, fleet, producers, disk, scans)

    def _make_trouble(self, targets: Targets, faults: Faults) -> None:
        """Faults from the first finished page on, until the time is over."""
        targets.scans.add_first()
        begun = self._tend_until(
            targets, faults, lambda: any(self._journal.iterdir()), _FIRST_PAGE_SECONDS, "starting", add=True
        )
        if not begun:
            raise AssertionError("no worker has begun a page, before any fault came")
        faults.start()
        self._tend_until(targets, faults, lambda: False, self._order.seconds, "faults", add=True)
        faults.end()
        self._log.write("faults end")

    def _let_alone(self, targets: Targets, faults: Faults) -> Rest:
        """From here on nobody helps, but who repeats a command because it told them to.

        Only when all is at rest does somebody have the damaged files checked: that would heal whatever else is ill.
        """
        alone, unrest = self._rest(targets, faults, "left alone")
        targets.scans.need_checks_of_damaged()
        checked, unrest_then = self._rest(targets, faults, "after the check of what was damaged")
        return Rest(alone, checked, [*unrest, *unrest_then])

    def _rest(self, targets: Targets, faults: Faults, when: str) -> tuple[float, list[str]]:
        """Wait until nothing is left to do.

        Returns:
            How many seconds that took, and what is wrong about it.
        """
        started, cap = time.monotonic(), self._mode.rest_cap_seconds
        producers, scans = targets.producers, targets.scans

        def is_at_rest() -> bool:
            return not (producers.open_needs or producers.running or scans.unfinished())

        rests = self._tend_until(targets, faults, is_at_rest, cap, when, add=False)
        seconds = round(time.monotonic() - started, 1)
        left = [*scans.unfinished(), *(f"{scan_id} not enqueued" for scan_id in producers.open_needs)]
        self._log.write("rest", rests=rests, seconds=seconds, left=left)
        return seconds, [] if rests else [f"{when}, not at rest after {cap:g} s: {', '.join(left)}"]

    def _find_the_deaf(self, targets: Targets, faults: Faults) -> list[str]:
        """With everything well again, every worker must take pages."""
        deadline = time.monotonic() + self._mode.probe_cap_seconds
        unheard = {worker.number for worker in targets.fleet.workers}
        since = time.time()
        while unheard and time.monotonic() < deadline:
            scan = targets.scans.add(len(targets.fleet.workers) * _PROBE_PAGES_A_WORKER)
            assert scan is not None, "the disk is full with no fault left"
            left = deadline - time.monotonic()
            self._tend_until(targets, faults, lambda: not targets.scans.unfinished(), left, "probing", add=False)
            begun = {attempt.pid for attempt in read_attempts(self._journal) if attempt.begin > since}
            for worker in targets.fleet.alive():
                if begun & {worker.main_pid(), *worker.child_pids()}:
                    unheard.discard(worker.number)
        return [f"worker {number} is deaf: it takes no pages, with everything well" for number in sorted(unheard)]

    def _tend_until(
        self,
        targets: Targets,
        faults: Faults,
        predicate: Callable[[], object],
        timeout: float,
        phase: str,
        *,
        add: bool,
    ) -> bool:
        deadline = time.monotonic() + timeout
        while not predicate():
            if time.monotonic() > deadline:
                return False
            if targets.scans.observer.error is not None:
                raise targets.scans.observer.error
            faults.tend()
            targets.fleet.tend()
            targets.producers.tend()
            targets.producers.satisfy()
            targets.scans.tend(add=add)
            self._tell(phase, targets, faults)
            time.sleep(_TICK_SECONDS)
        return True

    def _tell(self, phase: str, targets: Targets, faults: Faults) -> None:
        if time.monotonic() - self._told_at < _TELL_EVERY_SECONDS:
            return
        self._told_at = time.monotonic()
        scans = targets.scans.all
        done = sum(scan.pages - scan.remaining for scan in scans)
        pages = sum(scan.pages for scan in scans)
        sys.stderr.write(
            f"chaos: {phase}; {sum(faults.by_kind().values())} faults, {len(scans)} scans, "
            f"{done} of {pages} pages complete, {len(targets.fleet.alive())} workers alive\n"
        )


def _environment_of_ours() -> dict[str, str]:
    """Without the settings of whoever started this."""
    foreign = [name for name in os.environ if name.startswith(("LEAFMARK_", "WORK_")) and name != TOKEN_VARIABLE]
    # Nor does a config file of theirs say anything.
    return {name: value for name, value in os.environ.items() if name not in foreign} | {"LEAFMARK_CONFIG": ""}

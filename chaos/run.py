"""A run: start everything, cause faults, stop them, and wait for the system to come to rest by itself."""

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
    """One run in its own folder.

    Args:
        order: the options of the run.
        folder: folder of the run; only `history/` in it is kept.
        mode: what the workers do.
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
        """Carry out the run.

        Raises:
            Exception: the harness itself failed. Its processes may still run: the caller ends them.
        """
        with closing(self._log), self._targets() as targets:
            faults = Faults(targets, self._mode.plan(self._order.seconds), self._log)
            self._cause_faults(targets, faults)
            rest = self._wait_for_rest(targets, faults)
            rest.wrong.extend(self._find_idle_workers(targets, faults))
            targets.fleet.stop(_STOP_SECONDS)
            targets.scans.observer.stop()
            return judge(self._order, targets, faults, self._mode, rest)

    @contextmanager
    def _targets(self) -> Iterator[Targets]:
        """Start everything but the workers, which `tend()` starts."""
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

    def _cause_faults(self, targets: Targets, faults: Faults) -> None:
        """Cause faults from the first attempt on, until the time is over."""
        targets.scans.add_first()
        begun = self._tend_until(
            targets, faults, lambda: any(self._journal.iterdir()), _FIRST_PAGE_SECONDS, "starting", add=True
        )
        if not begun:
            raise AssertionError("no worker has begun a page before the first fault")
        faults.start()
        self._tend_until(targets, faults, lambda: False, self._order.seconds, "faults", add=True)
        faults.end()
        self._log.write("faults end")

    def _wait_for_rest(self, targets: Targets, faults: Faults) -> Rest:
        """Wait until the system is at rest without help, other than repeating a command that failed.

        Damaged files are checked only then, because a resume would also repair other damage.
        """
        alone, unrest = self._rest(targets, faults, "left alone")
        targets.scans.need_checks_of_damaged()
        checked, unrest_then = self._rest(targets, faults, "after the check of what was damaged")
        return Rest(alone, checked, [*unrest, *unrest_then])

    def _rest(self, targets: Targets, faults: Faults, when: str) -> tuple[float, list[str]]:
        """Wait until nothing is left to do.

        Returns:
            The seconds that this took, and the violations.
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

    def _find_idle_workers(self, targets: Targets, faults: Faults) -> list[str]:
        """Return a violation for every worker that takes no page although the faults are over."""
        deadline = time.monotonic() + self._mode.probe_cap_seconds
        idle = {worker.number for worker in targets.fleet.workers}
        since = time.time()
        while idle and time.monotonic() < deadline:
            scan = targets.scans.add(len(targets.fleet.workers) * _PROBE_PAGES_A_WORKER)
            assert scan is not None, "the disk is full although the faults are over"
            left = deadline - time.monotonic()
            self._tend_until(targets, faults, lambda: not targets.scans.unfinished(), left, "probing", add=False)
            begun = {attempt.pid for attempt in read_attempts(self._journal) if attempt.begin > since}
            for worker in targets.fleet.alive():
                if begun & {worker.main_pid(), *worker.child_pids()}:
                    idle.discard(worker.number)
        return [f"worker {number} takes no pages although the faults are over" for number in sorted(idle)]

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
    """Return the environment without Leafmark settings of the user."""
    foreign = [name for name in os.environ if name.startswith(("LEAFMARK_", "WORK_")) and name != TOKEN_VARIABLE]
    # The user's config file is not read either.
    return {name: value for name, value in os.environ.items() if name not in foreign} | {"LEAFMARK_CONFIG": ""}

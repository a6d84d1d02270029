"""Watch every checkpoint for torn and regressed reads, and every output for its versions, during the whole run."""

import json
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from chaos.history import Disappearance, Log, Page, Version

_LOOK_EVERY_SECONDS = 0.03
# There are many outputs, and the ctime of a version tells its time: seldom looks are enough.
_OUTPUTS_EVERY_LOOKS = 4

Valid = Callable[[int, bytes], bool]


class CheckpointReader:
    """Reads one checkpoint again and again, and counts what no reader may ever see.

    Args:
        path: path of the checkpoint.
        log: of the run.
        name: name of the scan in the history; by default that of its folder.
    """

    def __init__(self, path: Path, log: Log, name: str = "") -> None:
        self.path = path
        self._log = log
        self._scan_id = name or path.parent.parent.name
        self._raw: bytes | None = None
        self._revision = -1
        self._cost = 0.0
        self._complete: set[int] = set()
        self._seen_at = 0.0
        self._damaged = False
        self._lock = threading.Lock()
        self.reads = 0
        self.torn: list[str] = []
        self.regressed: list[str] = []
        self.disappearances: list[Disappearance] = []
        self.checkpoint: dict[str, Any] = {}

    @contextmanager
    def damaging(self) -> Iterator[None]:
        """Damage the file on purpose in a `with` block; bad reads are excused until the file is whole again."""
        with self._lock:
            self._damaged = True
            self._log.write("damaging checkpoint", scan_id=self._scan_id)
            yield

    def look(self) -> None:
        """Read the checkpoint once."""
        with self._lock:
            at = time.time()
            try:
                raw = self.path.read_bytes()
            except FileNotFoundError:
                if self._raw is not None:
                    self._note(self.regressed, "the checkpoint is gone")
                    self._raw = None
                return
            self.reads += 1
            if raw != self._raw:
                self._raw = raw
                self._take(raw)
            self._seen_at = at

    @property
    def settled(self) -> int:
        """The number of pages that are complete or quarantined, at the last look."""
        return len(self._complete) + len(self.checkpoint.get("failed_pages", ()))

    def _take(self, raw: bytes) -> None:
        try:
            checkpoint = json.loads(raw)
        except ValueError:
            if not self._damaged:
                self._note(self.torn, f"a torn read of {len(raw)} bytes")
            return
        revision, cost = checkpoint["revision"], checkpoint["metadata"]["total_cost_usd"]
        # A checkpoint that was rebuilt begins its revisions again, and may have lost its cost.
        if not self._damaged and (revision < self._revision or cost < self._cost):
            was = f"revision {self._revision}, {self._cost} USD"
            self._note(self.regressed, f"revision {revision}, {cost} USD after {was}")
        self._damaged, self._revision, self._cost = False, revision, cost
        complete = set(checkpoint["completed_pages"])
        for page in sorted(self._complete - complete):
            self.disappearances.append(Disappearance((self._scan_id, page), self._seen_at, time.time()))
            self._log.write("disappeared", scan_id=self._scan_id, page=page, revision=revision)
        self._complete = complete
        self.checkpoint = checkpoint

    def _note(self, where: list[str], what: str) -> None:
        where.append(f"{self._scan_id}: {what} at {time.time():.3f}")
        self._log.write("bad read", scan_id=self._scan_id, what=what)


class OutputWatcher:
    """Records the versions of every output of one scan.

    Args:
        folder: folder of the outputs.
        valid: returns whether bytes are what the stage writes for a page.
        log: of the run.
        name: name of the scan in the history; by default that of its folder.
    """

    def __init__(self, folder: Path, valid: Valid, log: Log, name: str = "") -> None:
        self.folder = folder
        self._valid = valid
        self._log = log
        self.scan_id = name or folder.parent.name
        self._current: dict[int, tuple[tuple[int, int], Version]] = {}
        self.versions: list[Version] = []

    def valid_pages(self) -> list[int]:
        """Return the pages whose output was valid at the last look, in order."""
        return sorted(page for page, (_, version) in tuple(self._current.items()) if version.valid)

    def look(self) -> None:
        """Look at every output once."""
        at = time.time()
        found: set[int] = set()
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.startswith("page_") and entry.name.endswith(".json"):
                    page = int(entry.name[len("page_") : -len(".json")])
                    if self._see(page, Path(entry.path), at):
                        found.add(page)
        for page in self._current.keys() - found:
            self._end(page)

    def _see(self, page: int, path: Path, at: float) -> bool:
        try:
            stat = path.stat()
            key = (stat.st_ino, stat.st_ctime_ns)
            known = self._current.get(page)
            if known is not None and known[0] == key:
                known[1].last_seen = at
                return True
            valid = self._valid(page, path.read_bytes())
            again = path.stat()
        except FileNotFoundError:
            return False
        if (again.st_ino, again.st_ctime_ns) != key:
            return page in self._current  # The file is just being replaced; the next look finds the new version.
        if known is not None:
            self._end(page)
        name: Page = (self.scan_id, page)
        version = Version(name, stat.st_ctime, at, valid)
        self.versions.append(version)
        self._current[page] = (key, version)
        self._log.write("output", scan_id=name[0], page=page, since=version.since, valid=valid)
        return True

    def _end(self, page: int) -> None:
        _, version = self._current.pop(page)
        version.gone_by = time.time()
        self._log.write("output gone", scan_id=version.page[0], page=page, last_seen=version.last_seen)


Look = tuple[CheckpointReader, OutputWatcher]
"""The readers of one stage of one scan."""


class Observer:
    """Looks at all scans that it watches, in its own thread."""

    def __init__(self) -> None:
        self._looks: list[Look] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self.error: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after one last look at everything."""
        self._stopping.set()
        self._thread.join(10)
        self._look(outputs=True)

    def watch(self, looks: Iterable[Look]) -> None:
        self._looks = [*self._looks, *looks]

    def forget(self, looks: Collection[Look]) -> None:
        self._looks = [look for look in self._looks if look not in looks]

    def _run(self) -> None:
        looks = 0
        try:
            while not self._stopping.wait(_LOOK_EVERY_SECONDS):
                self._look(outputs=looks % _OUTPUTS_EVERY_LOOKS == 0)
                looks += 1
        except Exception as error:  # noqa: BLE001  # the run raises it: nothing was observed since
            self.error = error

    def _look(self, *, outputs: bool) -> None:
        for reader, watcher in self._looks:
            reader.look()
            if outputs:
                watcher.look()

"""The scans of a run: made as others finish, watched while they are young, and looked at once more at the end."""

import hashlib
import json
import random
import shutil
import time
from pathlib import Path

from tests.chaos.history import Log
from tests.chaos.observer import CheckpointReader, Observer, OutputWatcher
from tests.chaos.producers import Producers
from tests.chaos.verdict import unsettled
from tests.shop import write_scan

OUTPUT_BYTES = 1500
_TEXT = ("leafmark " * 10_000)[:OUTPUT_BYTES]
_FIRST_PAGES = (240, 30, 12)
_SHORT_PAGES = (5, 50)
_WANTED_BACKLOG = 150
_MOST_OPEN = 6
# A scan that is complete is still damaged and watched for so long.
_KEEP_WATCHING_SECONDS = 20.0


class Scan:
    """One scan and who looks at it."""

    def __init__(self, root: Path, scan_id: str, pages: int, log: Log) -> None:
        self.scan_id = scan_id
        self.pages = pages
        self.folder = root / scan_id
        self.checkpoint_path = self.folder / "checkpoints" / "work.json"
        self.reader = CheckpointReader(self.checkpoint_path, log)
        self.watcher = OutputWatcher(self.folder / "work", is_work_output, log)
        self.is_damaged = False
        self.completed_at: float | None = None

    @property
    def status(self) -> str:
        return str(self.reader.checkpoint.get("status", "not_started"))

    @property
    def remaining(self) -> int:
        return self.pages - self.reader.settled

    def output_path(self, page: int) -> Path:
        return self.folder / "work" / f"page_{page:04d}.json"

    def faults_at_rest(self) -> list[str]:
        """What is wrong with it now that it should be complete."""
        try:
            checkpoint = json.loads(self.checkpoint_path.read_bytes())
        except (OSError, ValueError) as error:
            return [f"{self.scan_id} has no readable checkpoint at rest: {error}"]
        return unsettled(checkpoint, self._sound_outputs(), self.scan_id, self.pages)

    def _sound_outputs(self) -> dict[int, str]:
        sound = {}
        for page in range(1, self.pages + 1):
            path = self.output_path(page)
            raw = path.read_bytes() if path.exists() else b""
            if has_the_schema(page, raw):
                sound[page] = hashlib.sha256(raw).hexdigest()
        return sound


class Scans:
    """All scans of a run.

    Args:
        root: the storage root.
        seed: decides how long they are.
    """

    def __init__(self, root: Path, seed: int, observer: Observer, producers: Producers, log: Log) -> None:
        self.all: list[Scan] = []
        self.live: list[Scan] = []
        self._root = root
        self._rng = random.Random(f"scans {seed}")
        self.observer = observer
        self._producers = producers
        self._log = log
        self._made = 0

    def add_first(self) -> None:
        for pages in _FIRST_PAGES:
            self.add(pages)

    def add(self, pages: int) -> Scan | None:
        """Make a scan and have it enqueued; None where the storage has no room for it."""
        self._made += 1
        scan = Scan(self._root, f"book-{self._made}", pages, self._log)
        try:
            write_scan(self._root, scan.scan_id, pages)
        except OSError:
            shutil.rmtree(scan.folder, ignore_errors=True)
            return None
        self._log.write("scan made", scan_id=scan.scan_id, pages=pages)
        self.all.append(scan)
        self.live.append(scan)
        self.observer.watch(scan.reader, scan.watcher)
        self._producers.need(scan.scan_id)
        return scan

    def tend(self, *, add: bool) -> None:
        """Note which are complete, stop looking at the old ones, and see to it that there is work."""
        for scan in tuple(self.live):
            if scan.status != "completed" or scan.is_damaged:
                scan.completed_at = None
            elif scan.completed_at is None:
                scan.completed_at = time.monotonic()
            elif time.monotonic() - scan.completed_at > _KEEP_WATCHING_SECONDS:
                self.live.remove(scan)
                self.observer.forget(scan.reader)
        unfinished = [scan for scan in self.live if scan.status != "completed"]
        if add and len(unfinished) < _MOST_OPEN and sum(scan.remaining for scan in unfinished) < _WANTED_BACKLOG:
            self.add(self._rng.randint(*_SHORT_PAGES))

    def need_checks_of_damaged(self) -> None:
        """Have everything that was damaged enqueued, as somebody must who damaged it."""
        for scan in self.live:
            if scan.is_damaged:
                self.check_again(scan)

    def check_again(self, scan: Scan) -> None:
        scan.is_damaged = False
        self._producers.need(scan.scan_id)

    def unfinished(self) -> list[str]:
        return [
            f"{scan.scan_id} ({scan.status}, {scan.remaining} to do)" for scan in self.live if not is_done(scan)
        ]


def is_done(scan: Scan) -> bool:
    """Whether nothing is left to do; that it should not have failed is for the verdict to say."""
    return scan.status in {"completed", "failed"} and scan.remaining == 0


def is_work_output(page: int, raw: bytes) -> bool:
    """Whether these bytes are what the stage of tests/workload.py writes for a page."""
    return has_the_schema(page, raw) and json.loads(raw)["text"] == _TEXT


def has_the_schema(page: int, raw: bytes) -> bool:
    """Whether the stage accepts these bytes for a page; a flipped bit in the text does not show to it."""
    try:
        data = json.loads(raw)
    except ValueError:
        return False
    return isinstance(data, dict) and data.get("page_number") == page and bool(data.get("text"))

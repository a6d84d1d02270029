"""The scans of a run: added as others finish, watched while they are new, and checked once more at the end."""

import hashlib
import json
import random
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from chaos.history import Log
from chaos.observer import CheckpointReader, Look, Observer, OutputWatcher, Valid
from chaos.producers import Producers
from chaos.verdict import unsettled
from tests.support.fake_deployment import SOURCE_SHA256, write_scan

OUTPUT_BYTES = 1500
_TEXT = ("leafmark " * 10_000)[:OUTPUT_BYTES]
_MAX_OPEN = 6
# How long a complete scan is still damaged and watched.
_KEEP_WATCHING_SECONDS = 20.0


class Scan:
    """One scan and its readers.

    Args:
        root: the storage root.
        scan_id: id of the scan.
        pages: number of pages.
        looks: the readers of its stages, in their order. Faults damage the last stage.
    """

    def __init__(self, root: Path, scan_id: str, pages: int, looks: list[Look]) -> None:
        self.scan_id = scan_id
        self.pages = pages
        self.folder = root / scan_id
        self.looks = looks
        self.reader, self.watcher = looks[-1]
        self.is_damaged = False
        self.done_at: float | None = None

    @property
    def arguments(self) -> list[str]:
        """The arguments of `producer enqueue` after the scan id."""
        return ["--stage", "work"]

    @property
    def checkpoint_path(self) -> Path:
        return self.reader.path

    @property
    def status(self) -> str:
        return str(self.reader.checkpoint.get("status", "not_started"))

    @property
    def remaining(self) -> int:
        return self.pages - self.reader.settled

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do. A failed stage counts here; the verdict reports it."""
        return self.status in {"completed", "failed"} and self.remaining == 0

    def output_path(self, page: int) -> Path:
        return output_path(self.watcher.folder, page)

    def faults_at_rest(self) -> list[str]:
        """Return what is wrong with a scan that should be complete."""
        try:
            checkpoint = json.loads(self.checkpoint_path.read_bytes())
        except (OSError, ValueError) as error:
            return [f"{self.scan_id} has no readable checkpoint at rest: {error}"]
        pages = range(1, self.pages + 1)
        return unsettled(checkpoint, sound_outputs(self.watcher.folder, pages, has_the_schema), self.scan_id, pages)


class Scans:
    """All scans of a run.

    Args:
        root: the storage root.
        seed: decides how long they are.
        observer: watches them.
        producers: enqueue them.
        log: log of the run.
    """

    first_pages: ClassVar[tuple[int, ...]] = (240, 30, 12)
    short_pages: ClassVar[tuple[int, int]] = (5, 50)
    wanted_backlog: ClassVar[int] = 150

    def __init__(self, root: Path, seed: int, observer: Observer, producers: Producers, log: Log) -> None:
        self.all: list[Scan] = []
        self.live: list[Scan] = []
        self.root = root
        self.seed = seed
        self.observer = observer
        self.log = log
        self.made = 0
        self._rng = random.Random(f"scans {seed}")
        self._producers = producers

    def add_first(self) -> None:
        for pages in self.first_pages:
            self.add(pages)

    def add(self, pages: int) -> Scan | None:
        """Add a scan and have it enqueued; return None where the storage has no room for it."""
        self.made += 1
        scan = self._make(f"book-{self.made}", pages)
        try:
            self._write(scan)
        except OSError:
            shutil.rmtree(scan.folder, ignore_errors=True)
            return None
        self.log.write("scan made", scan_id=scan.scan_id, pages=pages)
        self.all.append(scan)
        self.live.append(scan)
        self.observer.watch(scan.looks)
        self._producers.introduce(scan.scan_id, scan.arguments)
        self._producers.need(scan.scan_id)
        return scan

    def _make(self, scan_id: str, pages: int) -> Scan:
        folder = self.root / scan_id
        reader = CheckpointReader(folder / "checkpoints" / "work.json", self.log)
        return Scan(self.root, scan_id, pages, [(reader, OutputWatcher(folder / "work", is_work_output, self.log))])

    def _write(self, scan: Scan) -> None:
        write_scan(self.root, scan.scan_id, scan.pages)

    def tend(self, *, add: bool) -> None:
        """Note which scans are done, stop watching old ones, and add scans so that there is work."""
        for scan in tuple(self.live):
            if not scan.is_done or scan.is_damaged:
                scan.done_at = None
            elif scan.done_at is None:
                scan.done_at = time.monotonic()
            elif time.monotonic() - scan.done_at > _KEEP_WATCHING_SECONDS:
                self.live.remove(scan)
                self.observer.forget(scan.looks)
        unfinished = [scan for scan in self.live if not scan.is_done]
        if add and len(unfinished) < _MAX_OPEN and sum(scan.remaining for scan in unfinished) < self.wanted_backlog:
            self.add(self._rng.randint(*self.short_pages))

    def need_checks_of_damaged(self) -> None:
        """Have every damaged scan enqueued: only a resume looks at complete pages again."""
        for scan in self.live:
            if scan.is_damaged:
                self.check_again(scan)

    def check_again(self, scan: Scan) -> None:
        scan.is_damaged = False
        self._producers.need(scan.scan_id)

    def unfinished(self) -> list[str]:
        return [f"{scan.scan_id} ({scan.status}, {scan.remaining} to do)" for scan in self.live if not scan.is_done]


def output_path(folder: Path, page: int) -> Path:
    return folder / f"page_{page:04d}.json"


def sound_outputs(folder: Path, pages: Iterable[int], valid: Valid) -> dict[int, str]:
    """Return the sha256 of every valid output in a folder, by page."""
    sound = {}
    for page in pages:
        path = output_path(folder, page)
        raw = path.read_bytes() if path.exists() else b""
        if valid(page, raw):
            sound[page] = hashlib.sha256(raw).hexdigest()
    return sound


def work_output(page: int) -> dict[str, object]:
    """Return what the stage of tests/support/workload.py writes for a page, as parsed JSON."""
    source = hashlib.sha256(f"{SOURCE_SHA256}#{page}".encode()).hexdigest()
    made_from = {"inputs": {"source": source}, "stage_version": "1", "recipe": ""}
    return {"page_number": page, "made_from": made_from, "text": _TEXT}


def is_work_output(page: int, raw: bytes) -> bool:
    """Return whether these bytes are what the stage of tests/support/workload.py writes for a page."""
    return has_the_schema(page, raw) and json.loads(raw) == work_output(page)


def has_the_schema(page: int, raw: bytes) -> bool:
    """Return whether the stage accepts these bytes for a page; it does not notice a flipped bit in the text."""
    try:
        data = json.loads(raw)
    except ValueError:
        return False
    return isinstance(data, dict) and data.get("page_number") == page and bool(data.get("text"))

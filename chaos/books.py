"""The scans of the LLM mode: books that go through three stages, some with a budget that is too small for them.

No two books share a page number, so that a row of the bill, which names a page and no book, belongs to one book.
"""

import json
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import ClassVar

from pydantic import ValidationError

from chaos.book_pages import write_book
from chaos.history import Log
from chaos.observer import CheckpointReader, Look, OutputWatcher
from chaos.scans import Scan, Scans, sound_outputs
from chaos.verdict import unsettled
from worker.stages.base import PageOutput
from worker.stages.correction import CorrectionStage
from worker.stages.fix import FixStage
from worker.stages.structure import StructureStage

_STAGES: tuple[type[CorrectionStage | FixStage | StructureStage], ...] = (CorrectionStage, FixStage, StructureStage)
STAGES = tuple(stage.name for stage in _STAGES)
# A stage of a book that has more pages than were asked for ends as partial.
_ENDS = frozenset({"completed", "partial"})
_TIGHT_ENDS = frozenset({"paused", "in_progress"})
# Calls without an answer count as the maximum they may cost, and are many by the end of a long run.
_AMPLE_USD = Decimal(1000)
# Budgets that are too small, by number of the book. A page costs some 0.0007 USD; at least 0.0025 are reserved.
_TIGHT_USD = {2: Decimal("0.008"), 3: Decimal("0.015"), 5: Decimal("0.004")}


class Book(Scan):
    """One book and the readers of its stages; only its last stage is damaged.

    Args:
        root: the storage root.
        scan_id: id of the book.
        first: number of its first page.
        pages: number of pages.
        budget_usd: budget for the whole book.
        tight: whether that is too small.
        log: log of the run.
    """

    def __init__(
        self, root: Path, scan_id: str, first: int, pages: int, budget_usd: Decimal, *, tight: bool, log: Log
    ) -> None:
        self.folder = root / scan_id
        looks = [_look_at(self.folder, scan_id, stage, log) for stage in _STAGES]
        super().__init__(root, scan_id, pages, looks)
        self.wanted = range(first, first + pages)
        self.budget_usd = budget_usd
        self.tight = tight

    @property
    def arguments(self) -> list[str]:
        pages = ["--start-page", str(self.wanted[0]), "--end-page", str(self.wanted[-1])]
        return ["--stage", "ocr", "--through", STAGES[-1], "--budget", str(self.budget_usd), *pages]

    @property
    def status(self) -> str:
        statuses = {str(reader.checkpoint.get("status", "not_started")) for reader, _ in self.looks}
        if statuses <= _ENDS:
            return "completed"
        return "paused" if "paused" in statuses else "in_progress"

    @property
    def is_paused(self) -> bool:
        return self.status == "paused"

    @property
    def is_done(self) -> bool:
        if self.is_damaged:
            # The last step needs all pages, and cannot run before a producer has checked the damaged ones.
            return True
        if not (self.tight and self.is_paused):
            return self.status == "completed"
        before = set(self.wanted)
        for reader, _ in self.looks:
            complete = set(reader.checkpoint.get("completed_pages", ()))
            if reader.checkpoint.get("status") != "paused" and before - complete:
                return False
            before &= complete
        return True

    def faults_at_rest(self) -> list[str]:
        try:
            checkpoints = [json.loads(path.read_bytes()) for path in self._checkpoint_paths()]
        except (OSError, ValueError) as error:
            return [f"{self.scan_id} has no readable checkpoint at rest: {error}"]
        found: list[str] = []
        owed = set(self.wanted)
        for stage, checkpoint in zip(_STAGES, checkpoints, strict=True):
            paused = self.tight and checkpoint["status"] == "paused"
            complete = set(checkpoint["completed_pages"])
            settled = complete | {failed["page"] for failed in checkpoint["failed_pages"]}
            here = owed & settled if paused else owed
            sound = sound_outputs(self.folder / stage.output_dir, here, partial(_matches, stage.schema))
            name = f"{self.scan_id}/{stage.name}"
            found.extend(
                unsettled(checkpoint, sound, name, sorted(here), ends=_ENDS | _TIGHT_ENDS if self.tight else _ENDS)
            )
            if self.tight:
                owed &= complete
        if self.tight and all(checkpoint["status"] != "paused" for checkpoint in checkpoints):
            found.append(f"{self.scan_id} is not paused, although its budget is too small")
        return found

    def totals_usd(self) -> dict[str, Decimal]:
        """Return the total cost in each checkpoint, in USD, by stage."""
        totals = {}
        for stage, path in zip(STAGES, self._checkpoint_paths(), strict=True):
            if path.exists():
                totals[stage] = Decimal(str(json.loads(path.read_bytes())["metadata"]["total_cost_usd"]))
        return totals

    def _checkpoint_paths(self) -> list[Path]:
        return [self.folder / "checkpoints" / f"{stage}.json" for stage in STAGES]


class Books(Scans):
    """All books of a run."""

    first_pages: ClassVar[tuple[int, ...]] = (60, 24, 40)
    short_pages: ClassVar[tuple[int, int]] = (8, 30)
    wanted_backlog: ClassVar[int] = 60

    def _make(self, scan_id: str, pages: int) -> Scan:
        first = 1 + sum(scan.pages for scan in self.all)
        budget_usd = _TIGHT_USD.get(self.made, _AMPLE_USD)
        return Book(self.root, scan_id, first, pages, budget_usd, tight=self.made in _TIGHT_USD, log=self.log)

    def _write(self, scan: Scan) -> None:
        assert isinstance(scan, Book)
        write_book(self.root, scan.scan_id, scan.wanted[0], scan.wanted[-1], self.seed)


def _look_at(
    folder: Path, scan_id: str, stage: type[CorrectionStage | FixStage | StructureStage], log: Log
) -> Look:
    name = f"{scan_id}/{stage.name}"
    reader = CheckpointReader(folder / "checkpoints" / f"{stage.name}.json", log, name)
    return reader, OutputWatcher(folder / stage.output_dir, partial(_matches, stage.schema), log, name)


def _matches(schema: type[PageOutput], page: int, raw: bytes) -> bool:
    """Return whether a stage accepts these bytes for a page."""
    try:
        return schema.model_validate_json(raw).page_number == page
    except ValidationError:
        return False

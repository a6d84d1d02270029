"""CheckpointManager: checkpoints for one process with many threads.

A stage that runs in one process needs nothing else:

    manager = CheckpointManager("my-book", "ocr", storage_root=root, output_dir="ocr", schema=OcrPage)
    for page in manager.get_remaining_pages(total_pages=447):
        save_output(page)
        manager.mark_completed(page, cost_usd=0.02)
    manager.mark_stage_complete({"model": "..."})

Several processes may use it at once: every change is made under `flock`, on the state on disk.
"""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from checkpointing.atomic import make_folder
from checkpointing.errors import InputError, PageOutputError, UnknownNameError
from checkpointing.fields import Usd, now
from checkpointing.file import CheckpointFile
from checkpointing.output_schema import OutputSchema
from checkpointing.outputs import OutputFolder
from checkpointing.page_records import PageRecord, cost_of
from checkpointing.resume import bring_in_line

DEFAULT_STORAGE_ROOT = Path("~/Documents/book_scans")


class CheckpointManager:
    """Which pages of one stage of one scan are complete, and what they cost.

    The constructor cleans up after crashed writers. It rebuilds a checkpoint that is corrupt, of a newer version or
    of another book from the outputs; the unusable file is kept under a dated name. The constructor and every method
    raise OSError where the storage failed.

    Args:
        scan_id: the book: the name of its folder in the storage root.
        stage: unique name of the stage.
        storage_root: folder of all scans; default `~/Documents/book_scans`.
        output_dir: folder of the outputs inside the folder of the scan; default the name of the stage.
        schema: what makes an output valid: a pydantic model, an object with `validate(data)`, or a callable
            that raises ValueError. Without one any non-empty JSON object is valid.
        schema_version: a new one makes resume validate old outputs again.
    """

    def __init__(
        self,
        scan_id: str,
        stage: str,
        storage_root: Path | str | None = None,
        output_dir: str | None = None,
        schema: Any = None,
        schema_version: str = "1",
    ) -> None:
        self.scan_id = scan_id
        self.stage = stage
        self.storage_root = Path(storage_root or DEFAULT_STORAGE_ROOT).expanduser()
        if Path(scan_id).name != scan_id or scan_id in {"", ".", ".."}:
            raise InputError(
                f"{scan_id!r} is not a scan id: it must be the name of a folder in {self.storage_root}"
            )
        scan_dir = self.storage_root / scan_id
        self.outputs = OutputFolder(scan_dir / (output_dir or stage), OutputSchema.of(schema, schema_version))
        self.file = CheckpointFile(scan_dir, stage, self.outputs)
        make_folder(scan_dir, within=Path(scan_dir.anchor))
        self.file.remove_orphans()
        self.outputs.remove_orphans()
        with self.file.exclusive():
            pass  # Rebuilds a checkpoint that cannot be used.

    def get_status(self) -> dict[str, Any]:
        """Return the checkpoint on disk, as a dict in the form of the file.

        Raises:
            CheckpointError: the file has become corrupt since this manager was made.
        """
        return self.file.read().model_dump(mode="json")

    def validate_page_output(self, page: int) -> bool:
        """Return whether the page's output exists, parses and matches the schema."""
        return self.outputs.check(page).valid

    def scan_existing_outputs(self, total_pages: int) -> set[int]:
        """Return the pages from 1 to `total_pages` with valid outputs."""
        return {page for page in self.outputs.pages() if page <= total_pages and self.validate_page_output(page)}

    def get_remaining_pages(
        self, total_pages: int, resume: bool = True, start_page: int = 1, end_page: int | None = None
    ) -> list[int]:
        """Return the pages of a range that still need work, after comparing the checkpoint with the outputs.

        Args:
            total_pages: number of pages of the book.
            resume: False resets the checkpoint and returns every page of the range.
            start_page: first page of the range.
            end_page: last page of the range, included; default the last of the book.

        Raises:
            UnknownNameError: the range is not inside the book.
        """
        end = total_pages if end_page is None else end_page
        check_page_range(total_pages, start_page, end)
        if not resume:
            self.reset()
        with self.file.exclusive() as checkpoint:
            if resume:
                bring_in_line(checkpoint, self.outputs, total_pages)
            checkpoint.total_pages = total_pages
            remaining = [page for page in range(start_page, end + 1) if page not in checkpoint.pages]
            checkpoint.request(start_page, end)
            if remaining:
                checkpoint.begin()
            self.file.save(checkpoint)
        return remaining

    def mark_completed(self, page: int, cost_usd: float = 0.0) -> None:
        """Mark a page complete whose output has been saved. The change is on disk when this returns.

        Marking it again changes nothing, and adds no cost, while the output is the same.

        Raises:
            PageOutputError: the output is missing or invalid; nothing is marked.
            ValueError: the page is not numbered from 1, or the cost is not an amount in USD.
        """
        cost = _checked_usd(cost_usd)
        if page < 1:
            raise ValueError(f"page {page} does not exist: pages are numbered from 1")
        verdict = self.outputs.check(page)
        if not verdict.valid:
            raise self._not_complete(page, verdict.detail)
        record = PageRecord(
            sha256=verdict.sha256,
            schema_version=self.outputs.schema.version,
            cost_usd=cost,
            completed_at=now(),
        )
        with self.file.exclusive() as checkpoint:
            if not self.outputs.holds(page, verdict.sha256 or ""):
                raise self._not_complete(page, "its output was changed meanwhile")
            if checkpoint.complete(page, record, verdict.doubtful):
                self.file.save(checkpoint)

    def mark_stage_complete(self, metadata: dict[str, Any] | None = None) -> None:
        """Mark the stage completed, with metadata for its readers.

        `total_cost_usd` in the metadata is the accumulated total; a lower one than the checkpoint's is ignored.

        Raises:
            ValueError: `total_cost_usd` is not an amount in USD.
        """
        given = dict(metadata or {})
        total = _checked_usd(given.pop("total_cost_usd", 0.0))
        with self.file.exclusive() as checkpoint:
            checkpoint.raise_cost_to(total)
            checkpoint.metadata.update(given)
            checkpoint.complete_stage()
            self.file.save(checkpoint)

    def mark_stage_failed(self, error: str) -> None:
        """Mark the stage failed, with the reason. Completed pages stay complete."""
        with self.file.exclusive() as checkpoint:
            checkpoint.fail_stage(error)
            self.file.save(checkpoint)

    def reset(self) -> None:
        """Forget what is complete. The accumulated cost is kept; outputs are not touched."""
        with self.file.exclusive() as checkpoint:
            checkpoint.start_over()
            self.file.save(checkpoint)

    def estimate_cost_saved(self) -> float:
        """Return what the completed pages have cost, in USD: what a resume saves."""
        checkpoint = self.file.read()
        return cost_of(checkpoint.pages.values(), checkpoint.total_cost_usd)

    def flush(self) -> None:
        """Write the checkpoint now, even if there is none yet. Every completion is on disk already."""
        with self.file.exclusive() as checkpoint:
            self.file.save(checkpoint)

    def _not_complete(self, page: int, why: str) -> PageOutputError:
        return PageOutputError(
            f"page {page} of {self.scan_id}/{self.stage} cannot be marked complete: {why} "
            f"({self.outputs.path_of(page)})",
            hint="save its output first",
        )


def _checked_usd(amount: float) -> float:
    """Return the amount; raise ValueError if it is not an amount in USD."""
    return TypeAdapter(Usd).validate_python(amount)


def check_page_range(total_pages: int, start_page: int, end_page: int) -> None:
    """Raise UnknownNameError if a range does not lie inside the book."""
    if 1 <= start_page <= end_page <= total_pages:
        return
    raise UnknownNameError(
        f"the page range {start_page} to {end_page} is outside the book, which has the pages 1 to {total_pages}"
    )

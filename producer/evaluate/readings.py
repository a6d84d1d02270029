"""What the stages of a book have read: the text of a page, and what it took."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import InputError, PageOutputError, UnknownNameError
from checkpointing.money import add_usd
from checkpointing.outputs import OutputFolder
from checkpointing.refs import StageRef
from checkpointing.storage_errors import storage_errors
from producer.evaluate.model import StageCost
from producer.status.begun_stages import count_as_enqueue_would, stages_with_files
from producer.status.checkpoint_snapshot import take_snapshot
from worker.pages.metadata import ScanMetadata
from worker.storage.book_store import BookStore

_BREAK = timedelta(minutes=15)
_REGIONS, _TEXT = "regions", "text"


class StageReading:
    """What one stage has read.

    Args:
        name: of the stage.
        outputs: one for each page.
        checkpoint: which pages are complete.
    """

    def __init__(self, name: str, outputs: OutputFolder, checkpoint: Checkpoint) -> None:
        self.name = name
        self._outputs = outputs
        self._checkpoint = checkpoint

    def text(self, page: int) -> str | None:
        """Return the text of a page, its regions in reading order; None if the page is not complete.

        Raises:
            StorageError: the storage failed.
        """
        if page not in self._checkpoint.pages:
            return None
        with storage_errors(self._outputs.path), suppress(PageOutputError):
            return text_of(self._outputs.load(page)[_REGIONS])
        return None

    def cost(self, pages: Iterable[int]) -> StageCost:
        """Return what some of its pages took."""
        records = [self._checkpoint.pages[page] for page in pages]
        costs = [record.cost_usd for record in records if record.cost_usd is not None]
        seconds = [record.seconds for record in records if record.seconds is not None]
        cpu_seconds = [record.cpu_seconds for record in records if record.cpu_seconds is not None]
        return StageCost(
            cost_usd=add_usd(*costs) if costs else None,
            seconds=sum(seconds) if seconds else None,
            timed_pages=len(seconds),
            core_seconds=sum(cpu_seconds) if cpu_seconds else None,
            core_timed_pages=len(cpu_seconds),
            pages_per_second=_rate(self._checkpoint),
        )


def read_stages(store: BookStore, metadata: ScanMetadata, stage: str | None) -> list[StageReading]:
    """Return a stage of a book, or all that have begun and have text, in pipeline order.

    Raises:
        UnknownNameError: there is no such stage, or none has begun.
        InputError: the outputs of the stage have no text.
        StorageError: the storage cannot be read.
    """
    with storage_errors(store.scan(metadata.scan_id).path):
        begun = stages_with_files(store, metadata.scan_id)
        if stage is None:
            names = [name for name in begun if _has_text(store, name)]
        elif _has_text(store, stage):
            names = [stage] if stage in begun else []
        else:
            raise InputError(f"the outputs of the stage {stage} have no text that could be measured")
        if names:
            return [_stage_reading(store, metadata, name) for name in names]
    what = "no stage has begun" if stage is None else f"the stage {stage} has not begun"
    option = "" if stage is None else f" --stage {stage}"
    raise UnknownNameError(
        f"{metadata.scan_id}: {what}", hint=f"`producer enqueue {metadata.scan_id}{option}` begins it"
    )


def text_of(regions: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of regions in their order, as an output has them."""
    return "\n".join(text for region in regions if (text := region[_TEXT]))


def _has_text(store: BookStore, stage: str) -> bool:
    return _REGIONS in store.stages.get(stage).schema.model_fields


def _stage_reading(store: BookStore, metadata: ScanMetadata, name: str) -> StageReading:
    ref = StageRef(metadata.scan_id, name)
    file, outputs = store.checkpoint_file(ref), store.outputs(ref)
    snapshot = take_snapshot(file)
    if snapshot.unusable is None and not file.is_of_this_version():
        count_as_enqueue_would(snapshot.checkpoint, outputs, metadata.total_pages)
    return StageReading(name, outputs, snapshot.checkpoint)


def _rate(checkpoint: Checkpoint) -> float | None:
    """Return pages per second from the first completion to the last one, without long breaks; None if unknown."""
    moments = sorted(record.completed_at for record in checkpoint.pages.values() if record.completed_at)
    gaps = [later - earlier for earlier, later in pairwise(moments) if later - earlier <= _BREAK]
    seconds = sum(gaps, timedelta()).total_seconds()
    return len(gaps) / seconds if seconds else None

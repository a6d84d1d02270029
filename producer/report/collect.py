"""Collect a report from the files of a scan. Writes nothing and does not need Redis."""

import json
from collections import Counter
from collections.abc import Sequence

from checkpointing.checkpoint import Checkpoint
from checkpointing.fields import now
from checkpointing.ledger import Ledger
from checkpointing.ledger_entry import State as CallState
from checkpointing.money import Money, add_usd
from checkpointing.regular_files import read_regular
from checkpointing.storage_errors import storage_error, storage_errors
from producer.report.limits import MAX_PAGES_WITH_WORDS, MAX_TILES, MAX_VIEWS
from producer.report.model import BookReport, Calls, PageReport, StageReport
from producer.report.pages import BegunStage, page_report
from producer.status.begun_stages import begun_stages, count_as_enqueue_would
from producer.status.checkpoint_snapshot import CheckpointSnapshot, take_snapshot
from producer.status.doubtful_pages import doubt_lines
from producer.terminal.progress import Counting, uncounted
from worker.pages.metadata import ScanMetadata
from worker.stages.base import Stage
from worker.stages.chapters import BookStructure
from worker.stages.structure import StructureStage
from worker.storage.book_store import BookStore


def collect(store: BookStore, scan_id: str, *, images: bool = True, counting: Counting = uncounted) -> BookReport:
    """Return the report of a scan, with `images` also pictures of its pages.

    Raises:
        UnknownNameError: there is no such scan.
        InputError: its metadata is broken.
        StorageError: the storage cannot be read.
    """
    metadata = store.metadata(scan_id)
    made_at = now()
    with storage_errors(store.scan(scan_id).path):
        begun, stages = _stages(store, metadata)
        pages = _pages(metadata, begun, stages, counting)
        structure, problem = _structure(store, scan_id)
    report = BookReport(metadata, stages, pages, structure, problem, made_at)
    if not images or not report.with_views:
        return report
    from producer.report.pictures import pictures_of  # noqa: PLC0415  # slow to import, needed for pictures only

    with counting(f"{scan_id}: pages rendered", len(pages)) as step:
        pictures = pictures_of(store, metadata, {page.number: page.geometry for page in pages}, step)
    return BookReport(metadata, stages, pages, structure, problem, made_at, pictures)


def _stages(store: BookStore, metadata: ScanMetadata) -> tuple[tuple[BegunStage, ...], tuple[StageReport, ...]]:
    begun: list[BegunStage] = []
    reports: list[StageReport] = []
    for ref in begun_stages(store, metadata.scan_id):
        file, outputs = store.checkpoint_file(ref), store.outputs(ref)
        snapshot = take_snapshot(file)
        if snapshot.unusable is None and not file.is_of_this_version():
            count_as_enqueue_would(snapshot.checkpoint, outputs, metadata.total_pages)
        stage = store.stages.get(ref.stage)
        begun.append(
            BegunStage(
                stage=stage,
                checkpoint=snapshot.checkpoint,
                outputs=outputs,
                pages=frozenset(outputs.pages()),
                pending=snapshot.pending(metadata.total_pages),
                quarantined=frozenset(snapshot.checkpoint.quarantined()),
            )
        )
        reports.append(_stage_report(stage, snapshot, store.ledger(ref), metadata.total_pages))
    return tuple(begun), tuple(reports)


def _stage_report(stage: Stage, snapshot: CheckpointSnapshot, ledger: Ledger, total_pages: int) -> StageReport:
    """Return what is known about a stage; a damaged checkpoint counts as far as it could be salvaged.

    Raises:
        OSError: the ledger cannot be read.
    """
    checkpoint = snapshot.checkpoint
    spent, calls = _read_ledger(ledger)
    records = checkpoint.pages.values()
    return StageReport(
        name=stage.name,
        status="unreadable" if snapshot.unusable else checkpoint.status.value,
        problem=snapshot.unusable or checkpoint.error,
        completed=len(checkpoint.pages),
        total_pages=checkpoint.total_pages or total_pages,
        quarantined=tuple(checkpoint.failed_pages),
        cost_usd=_total_usd(checkpoint, Money.total(spent.values())),
        page_cost_usd=_usd_by_page(checkpoint, spent),
        seconds=sum(record.seconds or 0.0 for record in records),
        moments=tuple(sorted(record.completed_at for record in records if record.completed_at is not None)),
        calls=calls,
        asks_model=stage.uses_model,
        doubtful=len(checkpoint.doubtful_pages),
        doubts=tuple(doubt_lines(checkpoint.doubtful_pages)),
    )


def _read_ledger(ledger: Ledger) -> tuple[dict[int, Money], Calls]:
    """Return what was spent on each page, and the numbers of calls."""
    spent: dict[int, Money] = {}
    states: Counter[CallState] = Counter()
    at_risk = Money()
    for line in ledger.all():
        states[line.state] += 1
        if line.state is CallState.ASKED:
            at_risk += line.amount
        else:
            spent[line.page] = spent.get(line.page, Money()) + line.amount
    unanswered = states[CallState.ASKED]
    answered = states.total() - unanswered
    return spent, Calls(answered, states[CallState.REJECTED], unanswered, at_risk.usd)


def _total_usd(checkpoint: Checkpoint, spent: Money) -> float:
    """Return the total of the checkpoint, or that of the ledger if it is ahead."""
    return max(checkpoint.total_cost_usd, (Money.from_usd(checkpoint.earlier_cost_usd) + spent).usd)


def _usd_by_page(checkpoint: Checkpoint, spent: dict[int, Money]) -> dict[int, float]:
    """Return the cost in USD of each page: from the ledger, else from the checkpoint."""
    costs = {page: record.cost_usd for page, record in checkpoint.pages.items() if record.cost_usd}
    return costs | {page: amount.usd for page, amount in spent.items() if amount}


def _pages(
    metadata: ScanMetadata, begun: Sequence[BegunStage], stages: Sequence[StageReport], counting: Counting
) -> tuple[PageReport, ...]:
    with_text = metadata.total_pages <= MAX_VIEWS
    with_words = metadata.total_pages <= MAX_PAGES_WITH_WORDS
    shown = range(1, min(metadata.total_pages, MAX_TILES) + 1)
    found: list[PageReport] = []
    with counting(f"{metadata.scan_id}: pages read", len(shown)) as step:
        for page in shown:
            cost = add_usd(*(stage.page_cost_usd.get(page, 0.0) for stage in stages))
            found.append(page_report(begun, page, cost, with_text=with_text, with_words=with_words))
            step()
    return tuple(found)


def _structure(store: BookStore, scan_id: str) -> tuple[BookStructure | None, str | None]:
    """Return the assembled chapters and page numbers, or why they cannot be shown."""
    path = store.scan(scan_id).output_dir(StructureStage.output_dir) / StructureStage.assembled_name
    try:
        content = json.loads(read_regular(path))
        fields = {name: content.get(name) for name in BookStructure.model_fields}
        # Validated as JSON, where a page number may be the name of a field.
        return BookStructure.model_validate_json(json.dumps(fields)), None
    except FileNotFoundError:
        return None, None
    except OSError as error:
        raise storage_error(error, path) from error
    except (ValueError, AttributeError, RecursionError):
        rebuild = f"`producer enqueue {scan_id} --stage {StructureStage.name}` rebuilds it"
        return None, f"{path.name} of the {StructureStage.name} stage is damaged; {rebuild}"

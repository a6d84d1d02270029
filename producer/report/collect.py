"""Everything that a report says, from the files of a scan. Nothing is written; the broker is not asked."""

import json
from collections.abc import Sequence

from checkpointing.fields import now
from checkpointing.money import add_usd
from checkpointing.refs import StageRef
from checkpointing.regular_files import read_regular
from checkpointing.storage_errors import storage_error
from producer.report.limits import MOST_TILES, MOST_VIEWS
from producer.report.model import BookReport, PageReport, StageReport
from producer.report.outputs import Begun
from producer.report.pages import page_report
from producer.report.stages import stage_report
from producer.status.begun_stages import count_as_enqueue_would
from producer.status.checkpoint_snapshot import Snapshot, take_snapshot
from producer.terminal.progress import Counting, uncounted
from worker.deployment import Deployment
from worker.pages.scan import ScanMetadata
from worker.stages.chapters import BookStructure
from worker.stages.registry import STAGES
from worker.stages.structure import StructureStage


def collect(
    deployment: Deployment, scan_id: str, *, images: bool = True, counting: Counting = uncounted
) -> BookReport:
    """Look at a scan.

    Args:
        deployment: the deployment.
        scan_id: which scan.
        images: whether pages are rendered for it.
        counting: shows how far it is.

    Raises:
        UnknownNameError: there is no such scan.
        InputError: its metadata is broken.
        StorageError: the storage cannot be read.
    """
    metadata = deployment.metadata(scan_id)
    made_at = now()
    try:
        begun, stages = _stages(deployment, metadata)
        pages = _pages(metadata, begun, stages, counting)
        structure, problem = _structure(deployment, scan_id)
    except OSError as error:
        raise storage_error(error, deployment.scan(scan_id).path) from error
    report = BookReport(metadata, stages, pages, structure, problem, made_at)
    if not images or not report.with_views:
        return report
    from producer.report.pictures import pictures_of  # noqa: PLC0415  # a report without pictures renders none

    with counting(f"{scan_id}: pages rendered", len(pages)) as step:
        pictures = pictures_of(deployment, metadata, [page.number for page in pages], step)
    return BookReport(metadata, stages, pages, structure, problem, made_at, pictures)


def _stages(deployment: Deployment, metadata: ScanMetadata) -> tuple[tuple[Begun, ...], tuple[StageReport, ...]]:
    """The stages that have begun: what is needed to read their outputs, and how they stand."""
    begun: list[Begun] = []
    reports: list[StageReport] = []
    for name in STAGES:
        file, outputs = (
            deployment.checkpoint_file(StageRef(metadata.scan_id, name)),
            deployment.outputs(StageRef(metadata.scan_id, name)),
        )
        pages = outputs.pages()
        if not pages and not file.path.exists():
            continue
        snapshot = take_snapshot(file)
        if snapshot.unusable is None and not file.is_of_this_version():
            count_as_enqueue_would(snapshot.checkpoint, outputs, metadata.total_pages)
        stage, ledger = deployment.stage(name), deployment.ledger(StageRef(metadata.scan_id, name))
        begun.append(_begun(deployment, name, snapshot, pages, metadata.total_pages))
        reports.append(stage_report(stage, snapshot, ledger, metadata.total_pages))
    return tuple(begun), tuple(reports)


def _begun(deployment: Deployment, name: str, snapshot: Snapshot, pages: set[int], total_pages: int) -> Begun:
    checkpoint = snapshot.checkpoint
    return Begun(
        stage=deployment.stage(name),
        checkpoint=checkpoint,
        outputs=deployment.outputs(StageRef(checkpoint.scan_id, name)),
        pages=frozenset(pages),
        pending=snapshot.pending(total_pages),
        quarantined=frozenset(checkpoint.quarantined()),
    )


def _pages(
    metadata: ScanMetadata, begun: Sequence[Begun], stages: Sequence[StageReport], counting: Counting
) -> tuple[PageReport, ...]:
    with_text = metadata.total_pages <= MOST_VIEWS
    shown = range(1, min(metadata.total_pages, MOST_TILES) + 1)
    found: list[PageReport] = []
    with counting(f"{metadata.scan_id}: pages read", len(shown)) as step:
        for page in shown:
            cost = add_usd(*(stage.page_cost_usd.get(page, 0.0) for stage in stages))
            found.append(page_report(begun, page, cost, with_text=with_text))
            step()
    return tuple(found)


def _structure(deployment: Deployment, scan_id: str) -> tuple[BookStructure | None, str | None]:
    """The book put together; or why it cannot be shown."""
    path = deployment.scan(scan_id).output_dir(StructureStage.output_dir) / StructureStage.assembled_name
    try:
        said = json.loads(read_regular(path))
        fields = {name: said.get(name) for name in BookStructure.model_fields}
        # As JSON once more: there a page number may be the name of a field.
        return BookStructure.model_validate_json(json.dumps(fields)), None
    except FileNotFoundError:
        return None, None
    except OSError as error:
        raise storage_error(error, path) from error
    except (ValueError, AttributeError, RecursionError):
        again = f"producer enqueue {scan_id} --stage {StructureStage.name}"
        return None, f"{path.name} of the {StructureStage.name} stage is damaged; `{again}` makes it again"

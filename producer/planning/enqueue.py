"""Plan and enqueue: bring the checkpoint in line with the outputs, then put the remaining pages into the queue.

This is resume. It is safe to run at any time and several times at once: complete pages are skipped, and pages
that a worker holds or that are in the queue are not enqueued twice.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import BrokerError, CheckpointError
from checkpointing.outputs import OutputFolder
from checkpointing.page_records import PageRecord, cost_of
from checkpointing.resume import Findings, bring_in_line
from checkpointing.run_ids import same_run, trace_id_of
from checkpointing.status import Status
from checkpointing.storage_errors import storage_errors
from producer.output_dir import set_all_aside
from producer.page_ranges import runs
from producer.planning.able_workers import prepare_reading
from producer.planning.preconditions import check_preconditions, look_up
from producer.planning.request import Plan, Request, StaleAre
from producer.planning.spending import count_books, recount, retire_answers
from producer.planning.stale import StalePages, explain_stale
from producer.terminal.progress import Counting, uncounted
from worker.deployment import Deployment
from worker.pages.metadata import ScanMetadata
from worker.pipeline.assembly import assemble
from worker.pipeline.coordinators import make_coordinator
from worker.pipeline.provenance import made_from_of
from worker.pipeline.stage_flow import UPSTREAM, given_up, ready, through
from worker.queue.broker_errors import broker_errors
from worker.queue.client import QueueClient
from worker.stages.correction import CorrectionStage
from worker.storage.book_store import BookStore
from worker.telemetry import tracing
from worker.telemetry.logs import note_for_scan


def requests_through(store: BookStore, first: Request, last_stage: str | None) -> list[Request]:
    """Return the request, and the same request for each later stage up to the last one.

    Raises:
        UnknownNameError: there is no such stage, or it does not depend on the first one.
    """
    if last_stage is None:
        return [first]
    names = through(store, first.stage, last_stage)
    return [first, *(replace(first, stage=name, run=same_run(first.run)) for name in names[1:])]


def plan_all(store: BookStore, requests: list[Request]) -> list[Plan]:
    """Return what `enqueue` would do for requests in pipeline order. Changes nothing.

    Raises:
        UnknownNameError, StorageError: as `plan`.
    """
    again: dict[str, AbstractSet[int]] = {}
    plans = []
    for request in requests:
        made = plan(store, request, again)
        again[request.stage] = set(made.remaining)
        plans.append(made)
    return plans


def plan(store: BookStore, request: Request, again: Mapping[str, AbstractSet[int]] | None = None) -> Plan:
    """Return what `enqueue` would do. Reads files only and changes nothing.

    `again` has the pages that earlier stages would process again first, by stage.

    Raises:
        UnknownNameError: no such scan, stage or page.
        StorageError: the storage cannot be read.
    """
    metadata, wanted = look_up(store, request)
    outputs = store.outputs(request.ref)
    file = store.checkpoint_file(request.ref)
    with storage_errors(file.path):
        checkpoint, set_aside = file.read_or_salvage()
    if not request.resume:
        checkpoint.forget(set(wanted))
    checkpoint.release(request.release)
    findings = bring_in_line(checkpoint, outputs, metadata.total_pages, change_nothing=True)
    records = _records_by_outputs(findings, outputs) if request.resume else {}
    stale = _stale_among(store, request, wanted, records, again or {})
    return _describe(request, wanted, checkpoint, findings, set_aside, stale)


def enqueue(deployment: Deployment, request: Request, counting: Counting = uncounted) -> Plan:
    """Enqueue the pages of a request that still need work.

    Raises:
        UnknownNameError: no such scan, stage or page.
        StorageError: the storage failed; nothing was enqueued.
        BrokerError: Redis failed; pages enqueued so far stay enqueued, and a repeated call enqueues the rest.
        InUseError: the workers on this storage root belong to another deployment.
        CheckpointError: another process holds the checkpoint.
        SettingsError: the stage calls a model, and a setting for that is missing; or no worker that is alive has
            the engine or a language of the book.
        InputError: an earlier stage has not been requested for these pages.
    """
    tracing.start(deployment.settings, "producer")
    with tracing.span("enqueue", identity=request.run, scan_id=request.scan_id, stage=request.stage) as span:
        made = _enqueue(deployment, replace(request, run=tracing.run_of(span) or request.run), counting)
        span.set_attributes(tracing.named(remaining=len(made.remaining), enqueued=len(made.enqueued)))
    if made.remaining:
        # The first line of this run in the log of the scan.
        note_for_scan(
            deployment.store.root,
            made.scan_id,
            made.stage,
            "enqueued",
            run=trace_id_of(request.run),
            remaining=len(made.remaining),
            enqueued=len(made.enqueued),
            waiting=len(made.waiting),
            complete=made.completed,
        )
    return made


def _enqueue(deployment: Deployment, request: Request, counting: Counting) -> Plan:
    metadata, wanted = look_up(deployment.store, request)
    check_preconditions(deployment.store, deployment.queues, [request])
    metadata = prepare_reading(
        deployment, metadata, request.stage, lambda: bool(plan(deployment.store, request).remaining)
    )
    file = deployment.store.checkpoint_file(request.ref)
    file.remove_orphans()
    try:
        with storage_errors(file.path), file.exclusive() as checkpoint:
            made = _open_stage(deployment.store, deployment.queues, request, wanted, checkpoint, metadata)
    except broker_errors() as error:
        raise BrokerError(
            f"Redis failed before anything was enqueued ({error})", hint="repeat the command"
        ) from error
    queue = deployment.queues.queue(request.ref)
    try:
        queue.forget_attempts(request.release | made.requeued.keys() | (checkpoint.anew & set(wanted)))
        queue.raise_attempts(checkpoint.attempts)
        recount(deployment.store, deployment.calls, request.ref)
        queue.name_run(request.run if made.remaining else "")
        # After the stage was opened: from then on, commits of the earlier stage feed it.
        begin = sorted(ready(deployment.store, request.ref, set(made.remaining)))
        made.waiting.extend(sorted(set(made.remaining).difference(begin)))
        with counting(f"{request.ref}: pages enqueued", len(begin)) as step:
            for page in queue.put(begin):
                made.enqueued.append(page)
                step()
    except broker_errors() as error:
        raise BrokerError(
            f"Redis failed after {len(made.enqueued)} of {len(made.remaining)} pages were enqueued ({error})",
            hint="start Redis and repeat the command, which enqueues the rest",
        ) from error
    return made


def _check_not_renumbered(store: BookStore, metadata: ScanMetadata) -> None:
    """Check that no page was renumbered since the metadata was read: that begins by waiting for the checkpoint."""
    if store.metadata(metadata.scan_id).source.spreads != metadata.source.spreads:
        raise CheckpointError(
            f"the pages of {metadata.scan_id} were renumbered meanwhile", hint="repeat the command"
        )


def _open_stage(
    store: BookStore,
    queues: QueueClient,
    request: Request,
    wanted: list[int],
    checkpoint: Checkpoint,
    metadata: ScanMetadata,
) -> Plan:
    """Bring the checkpoint in line, record the request, and save. The caller holds the checkpoint."""
    _check_not_renumbered(store, metadata)
    file = store.checkpoint_file(request.ref)
    outputs = store.outputs(request.ref)
    coordinator = make_coordinator(store, queues, request.ref)
    aside = file.take_set_aside()
    # Before the comparison, so that an output of a waiting completion is not taken for a foreign one.
    merged = coordinator.merge_into(checkpoint)
    outputs.remove_orphans()
    _take_in_reviews(store, metadata, outputs)
    if not request.resume:
        _do_again(store, checkpoint, outputs, wanted)
    checkpoint.release(request.release | _no_longer_given_up(store, checkpoint))
    findings = bring_in_line(checkpoint, outputs, metadata.total_pages)
    count_books(store, checkpoint, findings)
    # A missing output is not a failure of the page.
    for page in findings.faults:
        checkpoint.attempts.pop(page, None)
    stale = _stale_among(store, request, wanted, checkpoint.pages, {})
    if request.refresh_stale:
        _do_again(store, checkpoint, outputs, list(stale.pages))
    if request.accept_stale:
        for page, why in stale.pages.items():
            checkpoint.pages[page] = replace(checkpoint.pages[page], made_from=why.current)
    for first, last in runs(wanted):
        checkpoint.request(first, last)
    if checkpoint.pending():
        checkpoint.begin()
        checkpoint.run = request.run
        store.open_stages.add(request.ref, checkpoint.requested)
    else:
        checkpoint.settle()
    if checkpoint.status is Status.COMPLETED:
        assemble(store.stages.get(request.stage), outputs, checkpoint)
    file.save(checkpoint)
    if merged:
        coordinator.inbox.remove(merged)
    return _describe(request, wanted, checkpoint, findings, aside.name if aside else None, stale)


def _take_in_reviews(store: BookStore, metadata: ScanMetadata, outputs: OutputFolder) -> None:
    """Adopt the pages that another program had corrected and kept for review."""
    scan = store.scan(metadata.scan_id)
    if outputs.path.name != CorrectionStage.output_dir or not scan.is_taken_over(metadata):
        return
    from producer.ingest.scanshelf_folder import take_in_reviews  # noqa: PLC0415  # few scans need it

    take_in_reviews(scan, metadata.total_pages)


def _do_again(store: BookStore, checkpoint: Checkpoint, outputs: OutputFolder, pages: list[int]) -> None:
    """Have pages processed again, whatever their state."""
    checkpoint.forget(set(pages))
    # Set the outputs aside, so that a resume does not adopt them.
    set_all_aside(outputs, sorted(outputs.pages().intersection(pages)))
    retire_answers(store, checkpoint.ref, pages)


def _stale_among(
    store: BookStore,
    request: Request,
    wanted: list[int],
    records: Mapping[int, PageRecord],
    again: Mapping[str, AbstractSet[int]],
) -> StalePages:
    return explain_stale(store, request.ref, {page: records[page] for page in wanted if page in records}, again)


def _records_by_outputs(findings: Findings, outputs: OutputFolder) -> dict[int, PageRecord]:
    """Return the records of complete pages, with the inputs that adopted outputs record."""
    said = {
        page: replace(findings.records[page], made_from=made_from_of(outputs, page)) for page in findings.adopted
    }
    return {**findings.records, **said}


def _no_longer_given_up(store: BookStore, checkpoint: Checkpoint) -> set[int]:
    """Return the pages quarantined because of an earlier stage that has released them since."""
    pages = {failed.page for failed in checkpoint.failed_pages if failed.kind == UPSTREAM}
    if not pages:
        return pages
    return pages - given_up(store, checkpoint.ref, pages).keys()


def _describe(
    request: Request,
    wanted: list[int],
    checkpoint: Checkpoint,
    findings: Findings,
    set_aside: str | None,
    stale: StalePages,
) -> Plan:
    asked = set(wanted)
    complete = findings.complete if request.resume else findings.complete - asked
    if request.refresh_stale:
        complete = complete - stale.pages.keys()
    quarantined = (checkpoint.quarantined() - complete) & asked
    faults = findings.faults if request.resume else {}
    stale_are = StaleAre.ACCEPTED if request.accept_stale else StaleAre.SHOWN
    return Plan(
        scan_id=request.scan_id,
        stage=request.stage,
        total_pages=findings.total_pages,
        wanted=wanted,
        completed=len(complete),
        skipped=len(complete & asked),
        remaining=[page for page in wanted if page not in complete and page not in quarantined],
        requeued={page: verdict for page, verdict in faults.items() if page in asked},
        quarantined=[failed for failed in checkpoint.failed_pages if failed.page in quarantined],
        cost_saved_usd=cost_of((findings.records[page] for page in complete), checkpoint.total_cost_usd),
        total_cost_usd=checkpoint.total_cost_usd,
        status=checkpoint.status,
        set_aside=set_aside,
        doubtful=[each for each in checkpoint.doubtful_pages if each.page in complete],
        stale=stale.pages,
        stale_are=StaleAre.REFRESHED if request.refresh_stale else stale_are,
        refresh_cost_usd=stale.cost_usd,
    )

"""`producer run`."""

import os
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

import typer

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import InputError
from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from checkpointing.status import Status
from producer.commands import completion
from producer.commands.ingest import say_ingested
from producer.commands.options import (
    AllowDoubtful,
    AllowUnpriced,
    AsJson,
    Budget,
    Dpi,
    Engine,
    Lang,
    NewScanId,
    Pages,
    Password,
    Stage,
    Through,
    Title,
)
from producer.ingest.books import Book, check_names, given_password, look_at_scan_or_source, take_in_book
from producer.ingest.profile_options import language_without_effect, options_recorded, overruled, settings_with
from producer.open_deployment import open_deployment
from producer.page_ranges import parse_pages
from producer.planning import plan_output as words
from producer.planning.enqueue import check_preconditions, enqueue, plan, requests_through
from producer.planning.request import Plan, Request, check_pages
from producer.planning.spending import insist_on_means, set_budget
from producer.program import INTERRUPTED
from producer.run.command_lines import command_again
from producer.run.joining import joins_deployment
from producer.run.summary import Ended, run_json, summarise
from producer.run.supervised_run import ParentWatch, Supervisor, announce_broker, interruptible, only_run
from producer.run.waiting import VIEW_HINT, follow_plans, insist_on_success
from producer.status.call_costs import overrun_line, overruns_of, unanswered_line, unanswered_of
from producer.status.doubtful_pages import doubt_lines
from producer.terminal.console import notes, print_json, results
from producer.watch.follow import MissingWorkerNotice
from producer.watch.screen import has_screen
from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.pages.book_profile import BookProfile
from worker.pipeline import stage_flow as flow
from worker.stages.registry import STAGES, uses_model


def run_command(
    context: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE_OR_SCAN_ID...",
            help="PDFs, folders, images, or the ids of scans: each is a book.",
            # Where none begins so, the shell offers files.
            autocompletion=completion.scan_ids,
        ),
    ],
    workers: Annotated[int, typer.Option(min=1, max=256, help="Pages worked on at once.")] = os.cpu_count() or 1,
    stage: Stage = "ocr",
    through: Through = None,
    pages: Pages = None,
    budget: Budget = None,
    allow_unpriced: AllowUnpriced = False,
    scan_id: NewScanId = None,
    title: Title = None,
    password: Password = None,
    dpi: Dpi = None,
    lang: Lang = None,
    engine: Engine = None,
    as_json: AsJson = False,
    allow_doubtful: AllowDoubtful = False,
) -> None:
    """Do whole books on this machine, with nothing to install or start. Run it again to resume.

    Everything that can be checked is checked first: of several books none begins where one cannot be used. Where
    several stages end badly, one that is paused decides the exit code, else the first that failed.

    A new book keeps `--dpi`, `--lang` and `--engine` as its profile. For one that was ingested before, they are
    settings of this run, and its profile goes before them.

    Example: `producer run moby-dick.pdf --workers 4`

    Example: `producer run moby-dick.pdf --through structure --budget 5.00`
    """
    settings, profile = settings_with(dpi, lang, engine)
    requests: list[Request] = []
    scan_ids: list[str] = []
    # What the scan keeps need not be said again; nor a password, which a terminal is asked for.
    kept = {"password"}
    only = frozenset[int]() if pages is None else parse_pages(pages)
    check_names(sources, scan_id, title)
    password = given_password(password)
    try:
        with interruptible():
            deployment = open_deployment(settings)
            stages = _stages(deployment, stage, through)
            for name in stages:
                insist_on_means(deployment, name, allow_unpriced=allow_unpriced)
            books = [look_at_scan_or_source(deployment, source, password) for source in sources]
            _check_new(deployment, books, stage, only)
            scan_ids += _scan_ids(deployment, books, scan_id, title, profile)
            kept |= {"scan_id", "title"} | _profile_options(deployment, scan_ids, profile)
            for found_id in scan_ids:
                first = Request(found_id, stage, only=only, allow_unpriced=allow_unpriced)
                requests += requests_through(deployment, first, through)
                set_budget(deployment, found_id, None if budget is None else Decimal(str(budget)))
            kept.add("budget")
            check_preconditions(deployment, requests, broker=False)
            plans = [plan(deployment, request) for request in requests]
            if all(found.status is Status.COMPLETED and not found.remaining for found in plans):
                checkpoints = [_checkpoint(deployment, request) for request in requests]
                if as_json:
                    print_json(run_json([_unchanged(deployment, each) for each in checkpoints], 0.0))
                else:
                    _say_nothing_to_do(plans)
                insist_on_success(checkpoints, allow_doubtful=allow_doubtful)
                return
            with only_run(settings.root):
                joins = joins_deployment(settings)
                if not joins:
                    checkpoints = _run(settings, requests, workers, as_json=as_json)
            if joins:
                checkpoints = _join(settings, requests, as_json=as_json)
    except KeyboardInterrupt:
        again = command_again(context, scan_ids or sources, kept)
        notes.print(f"Stopped{_how_far(settings, requests)}. To go on: {again}")
        raise typer.Exit(INTERRUPTED) from None
    insist_on_success(checkpoints, allow_doubtful=allow_doubtful)


def _check_new(deployment: Deployment, books: list[Book], stage: str, only: frozenset[int]) -> None:
    """Check what is wanted of books that are not ingested yet, so that nothing is stored in vain.

    Raises:
        InputError: the stage reads what an earlier one has not done.
        UnknownNameError: a page is not in a book.
    """
    for book in books:
        if book.found is None:
            continue
        check_pages(only, sum(file.pages for file in book.found.files))
        if earlier := deployment.store.stages.get(stage).depends_on:
            raise InputError(
                f"{stage} is made from {earlier[0]}, and {book.path} is a new book; "
                f"`--stage {next(iter(STAGES))} --through {stage}` does both"
            )


def _scan_ids(
    deployment: Deployment, books: list[Book], scan_id: str | None, title: str | None, profile: BookProfile
) -> list[str]:
    """Ingest the new books; returns the ids of all, each once, in the order of the command line."""
    found: dict[str, None] = {}
    for book in books:
        if book.scan_id is None:
            done = take_in_book(deployment.store.root, book, scan_id, title, profile)
            say_ingested(done)
        found[book.scan_id or done.metadata.scan_id] = None
    return list(found)


def _profile_options(deployment: Deployment, scan_ids: list[str], wanted: BookProfile) -> set[str]:
    """Tell which options do not count for a book; returns those that all books have in their profiles."""
    profiles = {scan_id: deployment.store.metadata(scan_id).profile for scan_id in scan_ids}
    for scan_id, profile in profiles.items():
        for line in (
            overruled(scan_id, profile, wanted),
            language_without_effect(scan_id, deployment.settings, profile, wanted.lang),
        ):
            if line:
                notes.print(line)
    return set.intersection(*(options_recorded(profile, wanted) for profile in profiles.values()))


def _say_nothing_to_do(plans: list[Plan]) -> None:
    for found in plans:
        results.print(words.plan_result(found, dry_run=False))
        for line in doubt_lines(found.doubtful):
            results.print(f"{found.scan_id}/{found.stage}: {line}")


def _unchanged(deployment: Deployment, checkpoint: Checkpoint) -> Ended:
    return Ended(checkpoint, deployment.store.outputs(checkpoint.ref), len(checkpoint.pages))


def _checkpoint(deployment: Deployment, request: Request) -> Checkpoint:
    return deployment.store.checkpoint_file(request.ref).read_or_salvage()[0]


def _stages(deployment: Deployment, first: str, last: str | None) -> list[str]:
    deployment.store.stages.get(first)
    return [first] if last is None else flow.through(deployment, first, last)


def _run(settings: Settings, requests: list[Request], workers: int, *, as_json: bool) -> list[Checkpoint]:
    """Start everything, work, say what was achieved, and stop everything however it ends."""
    parent = ParentWatch()
    started = time.monotonic()
    asking = list(dict.fromkeys(request.stage for request in requests if uses_model(request.stage)))
    notes.print(f"Starting a broker and {counted(workers, 'worker')} ...")
    supervisor = Supervisor(settings.root, workers, asking)
    try:
        announce_broker(settings.root, supervisor.redis_url)
        deployment = open_deployment(settings.model_copy(update={"redis_url": supervisor.redis_url}))

        def watch() -> None:
            parent.check()
            supervisor.check()

        hint = "Ctrl-C stops everything; the pages in hand are finished."
        ended = _enqueue_and_follow(deployment, requests, watch, hint)
        seconds = time.monotonic() - started
    except KeyboardInterrupt:
        notes.print("Stopping; the pages in hand are finished first ...")
        raise
    finally:
        supervisor.stop()
    return _show_ended(deployment, requests, ended, seconds, as_json=as_json)


def _join(settings: Settings, requests: list[Request], *, as_json: bool) -> list[Checkpoint]:
    """Have the pages done by the workers that are at work on the storage root already."""
    notes.print(f"The workers of {settings.root} are running already; they do this.")
    started = time.monotonic()
    deployment = open_deployment(settings)
    on_poll = bool if has_screen(notes) else MissingWorkerNotice(deployment.workers.count, notes).check
    ended = _enqueue_and_follow(deployment, requests, on_poll, VIEW_HINT)
    return _show_ended(deployment, requests, ended, time.monotonic() - started, as_json=as_json)


def _enqueue_and_follow(
    deployment: Deployment, requests: list[Request], on_poll: Callable[[], object], hint: str
) -> list[Ended]:
    plans = [enqueue(deployment, request) for request in requests]
    for made in plans:
        words.say_plan(notes, made)
    checkpoints = follow_plans(deployment, plans, on_poll, hint)
    before = {(made.scan_id, made.stage): made.completed for made in plans}
    return [
        Ended(each, deployment.store.outputs(StageRef(each.scan_id, each.stage)), before[each.scan_id, each.stage])
        for each in checkpoints
    ]


def _show_ended(
    deployment: Deployment, requests: list[Request], ended: list[Ended], seconds: float, *, as_json: bool
) -> list[Checkpoint]:
    checkpoints = [each.checkpoint for each in ended]
    if as_json:
        print_json(run_json(ended, seconds))
        return checkpoints
    for line in summarise(ended, seconds):
        results.print(line)
    for request in requests:
        overruns = overruns_of(deployment, request.ref)
        if overruns.calls:
            results.print(overrun_line(request.ref, overruns))
        unanswered = unanswered_of(deployment, request.ref)
        if unanswered.usd:
            results.print(unanswered_line(request.ref, unanswered))
    return checkpoints


def _how_far(settings: Settings, requests: list[Request]) -> str:
    """How many pages are complete, once it is known which book it is about."""
    deployment = open_deployment(settings)
    files = [deployment.store.checkpoint_file(request.ref) for request in requests]
    stood = [file.read_or_salvage()[0] for file in files]
    parts = [f"{each.stage}: {each.summary()}" for each in stood if each.total_pages]
    if len(requests) == 1 and parts:
        return f": {stood[0].summary()}"
    return f" ({'; '.join(parts)})" if parts else ""

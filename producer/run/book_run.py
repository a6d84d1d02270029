"""One `producer run`: ingests new books, plans their stages, and has workers of this machine process them.

Everything that can be checked is checked before the first page: no book begins if one of them cannot be used.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import InputError
from checkpointing.plurals import counted
from checkpointing.status import Status
from producer.ingest.books import Book, look_at_scan_or_source, take_in_book
from producer.ingest.ingest_output import print_ingested
from producer.ingest.profile_options import (
    options_recorded,
    options_without_effect,
    overruled,
    spreads_without_effect,
)
from producer.ingest.spread_search import SpreadSearch
from producer.open_deployment import open_deployment
from producer.planning.enqueue import enqueue, plan, requests_through
from producer.planning.plan_output import plan_result, print_plan
from producer.planning.preconditions import check_preconditions
from producer.planning.request import Plan, Request, check_pages
from producer.planning.spending import check_model_and_price, set_budget
from producer.run.interrupts import ParentWatch
from producer.run.joining import joins_deployment
from producer.run.summary import Ended, print_summary, run_json
from producer.run.supervised_run import Supervisor, announce_broker, only_run
from producer.status.doubtful_pages import doubt_lines
from producer.terminal.console import notes, print_json, results
from producer.terminal.progress import counting_on
from producer.watch.follow import follow_plans
from producer.watch.screen import VIEW_HINT
from worker.config.settings import Settings
from worker.pages.book_profile import BookProfile
from worker.pipeline import stage_flow
from worker.stages.registry import STAGES, uses_model

_OWN_WORKERS_HINT = "Ctrl-C stops everything; the pages in hand are finished."


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line asks for.

    Attributes:
        through: the last stage; None for the first one alone.
        only: single pages; none for all.
        budget_usd: maximum cost of each scan; None keeps the budget that a scan has.
        allow_unpriced: whether a model may be used whose price is unknown.
        scan_id: of a new book; None for one made from its name.
        title: of a new book; None for its name.
        workers: how many pages are processed at once.
    """

    stage: str
    through: str | None
    only: frozenset[int]
    budget_usd: float | None
    allow_unpriced: bool
    scan_id: str | None
    title: str | None
    password: str | None
    workers: int
    as_json: bool


class BookRun:
    """A run of several stages on several books.

    Attributes:
        scan_ids: of the books, as soon as all are ingested.
        recorded: names of the options that need not be repeated to continue: the scans keep what they say, and a
            password is asked for on a terminal.
    """

    def __init__(self, settings: Settings, profile: BookProfile, wanted: RunOptions) -> None:
        self.settings = settings
        self.scan_ids: list[str] = []
        self.recorded = {"password"}
        self._profile = profile
        self._wanted = wanted
        self._deployment = open_deployment(settings)
        self._requests: list[Request] = []

    def process(self, sources: list[str]) -> list[Checkpoint]:
        """Process books, given by files, folders or scan ids; print the result and return the last checkpoints.

        Raises:
            LeafmarkError: a book, an option or a setting cannot be used, or the workers failed.
        """
        self._prepare(sources)
        plans = [plan(self._deployment.store, request) for request in self._requests]
        if all(made.status is Status.COMPLETED and not made.remaining for made in plans):
            return self._report_nothing_to_do(plans)
        with only_run(self.settings.root):
            joins = joins_deployment(self.settings)
            ended, seconds = ([], 0.0) if joins else self._use_own_workers()
        if joins:
            ended, seconds = self._use_running_workers()
        if self._wanted.as_json:
            print_json(run_json(ended, seconds))
        else:
            print_summary(self._deployment.store, self._requests, ended, seconds)
        return [each.checkpoint for each in ended]

    def progress(self) -> str:
        """Return how many pages are complete, in words; empty before the books are known."""
        checkpoints = [each for each in map(self._checkpoint, self._requests) if each.total_pages]
        if not checkpoints:
            return ""
        if len(self._requests) == 1:
            return f": {checkpoints[0].summary()}"
        return f" ({'; '.join(f'{each.stage}: {each.summary()}' for each in checkpoints)})"

    def _prepare(self, sources: list[str]) -> None:
        wanted, deployment = self._wanted, self._deployment
        deployment.store.stages.get(wanted.stage)
        through = wanted.through
        stages = [wanted.stage] if through is None else stage_flow.through(deployment.store, wanted.stage, through)
        for name in stages:
            check_model_and_price(deployment.settings, name, allow_unpriced=wanted.allow_unpriced)
        books = [look_at_scan_or_source(deployment.store, source, wanted.password) for source in sources]
        for book in books:
            self._check_new(book)
        self.scan_ids = self._ingest(books)
        self.recorded |= {"scan_id", "title", "spreads"} | self._recorded_profile_options()
        for scan_id in self.scan_ids:
            first = Request(scan_id, wanted.stage, only=wanted.only, allow_unpriced=wanted.allow_unpriced)
            self._requests += requests_through(deployment.store, first, through)
            set_budget(deployment.store, scan_id, wanted.budget_usd)
        self.recorded.add("budget")
        check_preconditions(deployment.store, deployment.queues, self._requests, broker=False)

    def _check_new(self, book: Book) -> None:
        """Check what is wanted of a book that is not ingested yet, before anything is stored.

        Raises:
            InputError: the stage reads the output of an earlier one, which a new book does not have.
            UnknownNameError: a page is not in the book.
        """
        if book.found is None:
            return
        # A picture may show two pages.
        most = 1 if self.settings.spreads == "no" else 2
        check_pages(self._wanted.only, most * sum(file.pages for file in book.found.files))
        stage = self._wanted.stage
        if earlier := self._deployment.store.stages.get(stage).depends_on:
            raise InputError(
                f"{book.path} is a new book without outputs of {earlier[0]}, from which {stage} is made",
                hint=f"use `--stage {next(iter(STAGES))} --through {stage}` to run both",
            )

    def _ingest(self, books: list[Book]) -> list[str]:
        """Ingest the new books; return the ids of all, each once, in the order of the command line."""
        found: dict[str, None] = {}
        for book in books:
            scan_id = book.scan_id
            if scan_id is None:
                root, wanted = self._deployment.store.root, self._wanted
                search = SpreadSearch.by(self.settings, counting_on(notes))
                done = take_in_book(root, book, wanted.scan_id, wanted.title, self._profile, search)
                print_ingested(done)
                scan_id = done.metadata.scan_id
            found[scan_id] = None
        return list(found)

    def _recorded_profile_options(self) -> set[str]:
        """Print which options have no effect on a book; return those that the profiles of all books contain."""
        books = [self._deployment.store.metadata(scan_id) for scan_id in self.scan_ids]
        for metadata in books:
            for line in (
                *overruled(metadata, self._profile.without_spreads),
                spreads_without_effect(metadata, self._profile),
                options_without_effect(metadata, self.settings, self._profile),
            ):
                if line:
                    notes.print(line)
        return set.intersection(*(options_recorded(metadata.profile, self._profile) for metadata in books))

    def _report_nothing_to_do(self, plans: list[Plan]) -> list[Checkpoint]:
        checkpoints = [self._checkpoint(request) for request in self._requests]
        if self._wanted.as_json:
            print_json(run_json([self._ended(each, len(each.pages)) for each in checkpoints], 0.0))
            return checkpoints
        for made in plans:
            results.print(plan_result(made, dry_run=False))
            for line in doubt_lines(made.doubtful):
                results.print(f"{made.ref}: {line}")
        return checkpoints

    def _use_own_workers(self) -> tuple[list[Ended], float]:
        """Start a broker and workers, process the books, and stop everything, also after an error."""
        parent = ParentWatch()
        started = time.monotonic()
        asking = list(dict.fromkeys(each.stage for each in self._requests if uses_model(each.stage)))
        notes.print(f"Starting a broker and {counted(self._wanted.workers, 'worker')} ...")
        supervisor = Supervisor(self.settings.root, self._wanted.workers, asking)
        try:
            announce_broker(self.settings.root, supervisor.redis_url)
            self._deployment = open_deployment(self.settings.model_copy(update={"redis_url": supervisor.redis_url}))

            def check() -> None:
                parent.check()
                supervisor.check()

            ended = self._enqueue_and_follow(check, _OWN_WORKERS_HINT)
            return ended, time.monotonic() - started
        except KeyboardInterrupt:
            notes.print("Stopping; the pages in hand are finished first ...")
            raise
        finally:
            supervisor.stop()

    def _use_running_workers(self) -> tuple[list[Ended], float]:
        """Process the books with the workers that already use the storage root."""
        notes.print(f"Using the workers that already run on {self.settings.root}.")
        started = time.monotonic()
        ended = self._enqueue_and_follow(None, VIEW_HINT)
        return ended, time.monotonic() - started

    def _enqueue_and_follow(self, check: Callable[[], object] | None, hint: str) -> list[Ended]:
        plans = [enqueue(self._deployment, request) for request in self._requests]
        for made in plans:
            print_plan(notes, made)
        before = {made.ref: made.completed for made in plans}
        checkpoints = follow_plans(self._deployment, plans, notes, hint, check)
        return [self._ended(each, before[each.ref]) for each in checkpoints]

    def _ended(self, checkpoint: Checkpoint, pages_before: int) -> Ended:
        return Ended(checkpoint, self._deployment.store.outputs(checkpoint.ref), pages_before)

    def _checkpoint(self, request: Request) -> Checkpoint:
        return self._deployment.store.checkpoint_file(request.ref).read_or_salvage()[0]

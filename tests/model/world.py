"""Everything that may happen, and the rest that must follow."""

from checkpointing import CheckpointManager
from checkpointing.errors import CheckpointError
from checkpointing.messages import Completion
from checkpointing.page_records import FailedPage
from producer.planning.enqueue import enqueue
from producer.planning.request import Request
from tests.model.fault_actions import FaultActions
from tests.model.simulated_system import LEASE_SECONDS, PAGES, PROCESSES
from tests.model.steps import Step, Trouble
from tests.model.work import Work
from tests.support.fake_deployment import REF, SCAN, STAGE
from tests.support.stages import Stamp, StampStage, stamp
from worker.keys import Keys

_MAX_ROUNDS = 30


class World(Work, FaultActions):
    """The system under test. Each method that `ACTIONS` names is something that may happen."""

    def commit(self, who: int, lock_is_free: bool, trouble: Trouble | None = None) -> None:
        process = self.processes[who]
        if lock_is_free:
            self.redis.delete(Keys(self.settings.key_prefix).commit(REF))

        def commit() -> None:
            waiting = self.redis.xlen(Keys(self.settings.key_prefix).inbox(REF))
            done = process.coordinator.commit()
            if lock_is_free and trouble is None and len(self.points.done_steps) == 1:
                self.judge.insist(done or not waiting, "a commit that nothing kept from it did nothing")
                left = self.redis.xlen(Keys(self.settings.key_prefix).inbox(REF))
                self.judge.insist(not left, "a commit left entries behind")

        self._step(Step("commit", trouble), commit, who)

    def tend_inboxes(self, who: int, trouble: Trouble | None = None) -> None:
        self._step(Step("commit", trouble), self.processes[who].reconciler.commit_inboxes, who)

    def recover(self, who: int, trouble: Trouble | None = None) -> None:
        self._step(Step("recover", trouble), self.processes[who].reconciler.recover, who)

    def enqueue(
        self, who: int, pages: tuple[int, int], resume: bool, release: bool, trouble: Trouble | None = None
    ) -> None:
        first, last = min(pages), max(pages)
        wanted = set(range(first, last + 1))
        request = Request(
            SCAN,
            STAGE,
            start_page=first,
            end_page=last,
            resume=resume or release,
            release=frozenset(wanted) if release else frozenset(),
        )
        step = Step("enqueue", trouble)
        anew = not (request.resume or release)
        if release:
            step.releases |= wanted
        elif anew:
            step.drops |= wanted
        self.asked |= wanted
        self.managed = False
        # A page that is asked for anew may be tried anew.
        self.runs.forgive(wanted)
        went_well = self._step(step, lambda: enqueue(self.processes[who].parts, request), who)
        self.runs.forgive(wanted)
        if went_well and anew:
            left = {page for page in wanted - step.touched if self.judge.valid_output(page)}
            self.judge.insist(not left, f"the outputs of {sorted(left)} were to be made anew, and are left")

    def hand_over(self, who: int, page: int, text: str, cost: float | None, times: int) -> None:
        """An output is saved and handed over, by a worker that need not have heard that it lost its claim."""
        parts = self.processes[who].parts

        def save() -> None:
            sha256 = parts.store.outputs(REF).save(page, stamp(page, text))
            self.good[page] = self._output_path(page).read_bytes()
            self._put(*[Completion(page=page, sha256=sha256, schema_version="1", cost_usd=cost)] * times)

        self._step(Step("hand over"), save, who)

    def hand_over_untruth(self, page: int, sha256: str) -> None:
        """A completion of an output that is not there, or not any more."""
        self._put(Completion(page=page, sha256=sha256 * 64, schema_version="1", cost_usd=0.5))

    def hand_over_failure(self, page: int) -> None:
        self._put(FailedPage(page=page, kind="torn", message="torn", attempts=2))

    def mark_completed(self, page: int, cost: float, trouble: Trouble | None = None) -> None:
        self.manage("completed", page, cost, trouble)

    def manage(self, verb: str, page: int, cost: float, trouble: Trouble | None = None) -> None:
        """A single process with a manager works on the same book."""
        step = Step(verb, trouble)
        if verb == "reset":
            step.drops |= set(range(1, PAGES + 1))
            step.starts_over = True
        if verb == "stage_complete":
            step.raises_cost_to = int(cost * 1_000_000)
        if verb in {"reset", "get_remaining"}:
            self.managed = True
        self._step(step, lambda: self._manage(verb, page, cost))

    def _manage(self, verb: str, page: int, cost: float) -> None:
        manager = CheckpointManager(SCAN, STAGE, self.root, StampStage.output_dir, Stamp)
        match verb:
            case "completed":
                sound = self.judge.valid_output(page) is not None
                try:
                    manager.mark_completed(page, cost)
                except CheckpointError:
                    step = self.points.done_steps[-1]
                    held = step.struck or len(self.points.done_steps) > 1
                    self.judge.insist(held or not sound, "a valid page was refused")
                else:
                    self.judge.insist(page in self.judge.state.pages, "a page was marked complete and is not")
            case "stage_complete":
                manager.mark_stage_complete({"total_cost_usd": cost, "model": "x"})
            case "stage_failed":
                manager.mark_stage_failed("it failed")
            case "get_remaining":
                manager.get_remaining_pages(PAGES, start_page=1, end_page=page)
            case "reset":
                manager.reset()
            case _:
                manager.flush()

    def _put(self, *entries: Completion | FailedPage) -> None:
        inbox = self.processes[0].parts.queues.inbox(REF)
        with self.redis.pipeline() as pipeline:
            for entry in entries:
                inbox.put(entry, pipeline)
            pipeline.execute()
        self._look()

    def come_to_rest(self) -> None:
        """With nothing going wrong any more, all that was asked for gets settled, in a bounded number of rounds."""
        self.clock.sleep(100 * LEASE_SECONDS)
        parts = self.processes[0].parts
        was_open = bool(parts.store.open_stages.all())
        self._work_until_rest()
        if was_open and not self.managed:
            pending = self.judge.state.pending()
            self.judge.insist(not pending, f"pages {sorted(pending)} are forgotten")
        if not self.asked:
            return
        wanted = (min(self.asked), max(self.asked))
        self.enqueue(0, wanted, resume=True, release=False)
        self._work_until_rest()
        state = self.judge.state
        for page in range(wanted[0], wanted[1] + 1):
            complete = page in state.pages and self.judge.borne_out(page)
            settled = complete or page in state.failed
            self.judge.insist(settled, f"page {page} is neither complete nor in quarantine")

    def _work_until_rest(self) -> None:
        parts = self.processes[0].parts
        for turn in range(_MAX_ROUNDS):
            who = turn % PROCESSES
            while self.redis.llen(Keys(self.settings.key_prefix).queue(STAGE)):
                self.process_next(who, "fine", "once", ())
            self.clock.sleep(2 * LEASE_SECONDS)
            self.tend_inboxes(who)
            for each in range(PROCESSES):
                self.recover(each)
            left = self.redis.xlen(Keys(self.settings.key_prefix).inbox(REF))
            if not (
                left
                or parts.store.open_stages.all()
                or self.redis.llen(Keys(self.settings.key_prefix).queue(STAGE))
            ):
                return
        self.judge.complain(f"no rest after {_MAX_ROUNDS} rounds")

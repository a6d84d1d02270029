"""Workers do pages: well, badly, twice, too late."""

import errno
from collections.abc import Callable
from typing import Any

from checkpointing.errors import PageError
from tests.model.simulated_system import LEASE_SECONDS, PROCESSES, SimulatedSystem
from tests.model.steps import Action, Killed, Step, Trouble
from tests.support.fake_deployment import SCAN, STAGE, named_in
from tests.support.stages import Stamp, stamp
from worker.keys import Keys
from worker.pipeline.process_page import process_page
from worker.queue.messages import Outcome, PageMessage


class Work(SimulatedSystem):
    """What workers may do with pages."""

    def process_next(
        self, who: int, act: str, delivery: str, meanwhile: tuple[Action, ...], trouble: Trouble | None = None
    ) -> None:
        """Do the page of the oldest message."""
        queue = Keys(self.settings.key_prefix).queue(STAGE)
        raw: Any = self.redis.rpop(queue)
        if raw is None:
            return
        died = self.process(who, named_in(raw)[1], act, meanwhile, trouble)
        if died and delivery == "again":
            self.redis.rpush(queue, raw)

    def process(
        self, who: int, page: int, act: str, meanwhile: tuple[Action, ...] = (), trouble: Trouble | None = None
    ) -> bool:
        """Do a page, of which the message may have been delivered before; whether its process died of it."""
        step = Step("process", trouble, page=page, other=(who + 1) % PROCESSES)

        def perform(running: int) -> Stamp:
            with self.runs.running(step, lambda: self._claim_of(running)):
                return self._act(self.cursed.get(running, act), running, step, meanwhile)

        def work() -> None:
            self.runs.ended(step, self._with_act(perform, lambda: self._process(who, page)))

        self.runs.begins(step)
        self._step(step, work, who)
        self.runs.over(step, self._claim_of(page))
        return step.dead

    def duplicate(self, who: int, act: str) -> None:
        """The message of the page that the paused process works on is delivered to another one."""
        pages = [step.page for step in self.points.done_steps if step.page]
        if pages:
            self.process(who, pages[-1], act)

    def overtake(self, who: int, act: str) -> None:
        """The paused process loses its claim, and another one does the page."""
        self.clock.sleep(2 * LEASE_SECONDS)
        self.duplicate(who, act)

    def _process(self, who: int, page: int) -> Outcome:
        return process_page(
            self.processes[who].parts.store,
            self.processes[who].parts.queues,
            self.processes[who].parts.calls,
            PageMessage(scan_id=SCAN, stage=STAGE, page=page),
        )

    def _with_act(self, perform: Callable[[int], Stamp], work: Callable[[], Outcome]) -> Outcome:
        before = self._stage.act
        self._stage.act = perform
        try:
            return work()
        finally:
            self._stage.act = before

    def _act(self, act: str, page: int, step: Step, meanwhile: tuple[Action, ...]) -> Stamp:
        self.points.pause(meanwhile)
        step.acts = act
        if act == "fail":
            raise RuntimeError("the stage failed")
        if act == "give up":
            raise PageError("torn", "the page is torn")
        if act == "no disk":
            raise OSError(errno.ENOSPC, "no space")
        if act == "die":
            step.dead = True
            raise Killed
        if act in {"slow", "overtaken", "taken away"}:
            self.clock.sleep(2 * LEASE_SECONDS)
        if act in {"overtaken", "taken away"}:
            self.do(Action("duplicate", {"who": step.other, "act": "fine" if act == "overtaken" else "die"}))
        return stamp(page, "otherwise" if act == "differ" else "stamped")

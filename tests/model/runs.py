"""What the stage may be asked to do: never a page that is valid, never one by two at once, never one for ever."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.model.clock import Clock
from tests.model.judge import Judge
from tests.model.steps import Step
from worker.queue.messages import Outcome


class Runs:
    """The runs of the stage, per page.

    Args:
        judge: is told what may not be.
        done_steps: what is under way, the innermost last.
        clock: counts the leases.
        most_attempts: that a page gets.
        lease_seconds: how long a claim is good for.
    """

    def __init__(
        self, judge: Judge, done_steps: list[Step], clock: Clock, most_attempts: int, lease_seconds: float
    ) -> None:
        self._judge = judge
        self._done_steps = done_steps
        self._clock = clock
        self._most_attempts = most_attempts
        self._lease_seconds = lease_seconds
        # The least that a page must have had since it got its attempts anew, and the most that it can have had
        # before it is given up: where the server forgets a count, or a reply is lost, nobody can tell exactly.
        self._since_anew: Counter[int] = Counter()
        self._spent: Counter[int] = Counter()
        self._leases: dict[int, float] = {}
        self.total = 0

    def begins(self, step: Step) -> None:
        """A worker is about to claim a page, and with that to count an attempt."""
        self._spent[step.page or 0] += 1

    @contextmanager
    def running(self, step: Step, claim: Callable[[], bytes | None]) -> Iterator[None]:
        """The stage is at work on a page, under a claim."""
        page = step.page or 0
        step.claim = claim()
        self.total += 1
        self._judge.insist(self._judge.valid_output(page) is None, f"page {page} was valid and is done again")
        held_until = self._leases.get(page, 0.0)
        self._judge.insist(held_until <= self._clock.now, f"page {page} is done by two at once")
        # An attempt that was counted before a flush is forgotten with it.
        self._since_anew[page] += not step.forgotten
        attempts = self._since_anew[page]
        self._judge.insist(attempts <= self._most_attempts, f"page {page} got {attempts} attempts")
        # The claim was taken a few points ago.
        self._leases[page] = self._clock.now + self._lease_seconds - 0.1
        try:
            yield
        finally:
            self._leases.pop(page, None)
            holder = claim()
            step.successor = holder if holder != step.claim else None

    def saves(self, page: int, holder: bytes | None) -> None:
        """An output is about to be put in place; whoever does so has just looked whether it may."""
        step = self._done_steps[-1]
        if step.verb != "process" or step.struck:
            return
        mine = holder is None or holder == step.claim
        self._judge.insist(mine or step.forgotten, f"page {page} was saved by one that had lost it")
        self._judge.insist(self._judge.valid_output(page) is None, f"page {page} was valid and is saved again")

    def over(self, step: Step, holder: bytes | None) -> None:
        """Who has lost a page gives back nothing."""
        lasts = step.successor in {None, holder} or step.struck or step.forgotten
        self._judge.insist(lasts, f"the claim of page {step.page} was given back by one that had lost it")

    def ended(self, step: Step, outcome: Outcome) -> None:
        """A worker is done with a page."""
        page, ran = step.page or 0, step.acts is not None
        if outcome is Outcome.QUARANTINED and step.acts != "give up":
            spent = self._spent[page] if ran else self._spent[page] - 1
            self._judge.insist(spent >= self._most_attempts, f"page {page} was given up after {spent} attempts")
        if outcome is Outcome.WAITS and ran:
            # No fault of the page's.
            self._since_anew[page] -= 1
        if outcome in {Outcome.COMPLETE, Outcome.ALREADY_COMPLETE}:
            self._since_anew[page] = 0
        unspent = outcome in {Outcome.WAITS, Outcome.ALREADY_COMPLETE} or (outcome is Outcome.HELD and not ran)
        if unspent and not step.struck:
            self._spent[page] -= 1

    def forgive(self, pages: set[int]) -> None:
        """Pages may get their attempts anew."""
        for page in pages:
            self._since_anew[page] = 0

    def flushed(self) -> None:
        """The server forgot claims and attempts."""
        for step in self._done_steps:
            step.forgotten = True
        self._since_anew.clear()
        self._leases.clear()

"""Any interleaving of completions, lost and repeated replies, pauses, flushes and harm, against a model.

`LEAFMARK_MODEL_EXAMPLES=5000` runs that many sequences of actions, different ones every time. Making a failing one
small takes minutes; `LEAFMARK_MODEL_SHRINK=0` shows it as it was found.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.model.actions import ACTIONS
from tests.model.simulated_system import PAGES
from tests.model.steps import Action
from tests.model.world import World

_EXAMPLES = 100
_STEPS = 30
_ASKED_FOR = os.environ.get("LEAFMARK_MODEL_EXAMPLES")
_SHRINK = os.environ.get("LEAFMARK_MODEL_SHRINK") != "0"


class Machine(RuleBasedStateMachine):
    """A world, to which things happen."""

    figures: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self._patch = pytest.MonkeyPatch()
        self._folder = Path(tempfile.mkdtemp(prefix="leafmark-model-"))
        (self._folder / "scans").mkdir()
        self.world = World(self._folder / "scans", self._patch)

    @initialize(begin=st.booleans())
    def start(self, begin: bool) -> None:
        if begin:
            self.world.enqueue(0, (1, PAGES), resume=True, release=False)

    def nothing_happened_that_may_not(self) -> None:
        assert not self.world.judge.violations, "; ".join(self.world.judge.violations)

    def teardown(self) -> None:
        try:
            if not self.world.judge.violations:
                self.world.come_to_rest()
                self.nothing_happened_that_may_not()
        finally:
            self._patch.undo()
            shutil.rmtree(self._folder)
            self.figures["sequences"] += 1
            self.figures["actions"] += self.world.steps
            self.figures["writes"] += self.world.judge.writes
            self.figures["runs"] += self.world.runs.total


def _rule_of(verb: str) -> Callable[..., None]:
    def act(machine: Machine, **arguments: Any) -> None:
        machine.world.do(Action(verb, arguments))
        machine.nothing_happened_that_may_not()

    act.__name__ = verb
    return act


for _verb, _arguments in ACTIONS.items():
    _as_rule: Any = rule
    setattr(Machine, _verb, _as_rule(**_arguments)(_rule_of(_verb)))


@pytest.fixture
def quiet() -> Any:
    """Nobody reads a log of a million lines."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("quiet")
@pytest.mark.timeout(0 if _ASKED_FOR else 900)  # making a failure small takes a while
def test_no_interleaving_breaks_what_always_holds(record_property: Callable[[str, object], None]) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=int(_ASKED_FOR or _EXAMPLES),
            stateful_step_count=_STEPS,
            derandomize=_ASKED_FOR is None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if _SHRINK else [Phase.generate],
        ),
    )
    told = ", ".join(f"{count} {name}" for name, count in Machine.figures.items())
    record_property("figure", f"model test: {told}")

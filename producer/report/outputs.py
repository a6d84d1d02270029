"""Reading a page's outputs for people: what is damaged is told, and stops nobody."""

from dataclasses import dataclass, replace

from checkpointing.checkpoint import Checkpoint
from checkpointing.outputs import OutputFolder, Problem
from checkpointing.regular_files import read_regular
from producer.report.model import State
from worker.stages.base import PageOutput, Stage


@dataclass(frozen=True, slots=True)
class Begun:
    """A stage that has begun.

    Attributes:
        pages: that have an output, valid or not.
        pending: that were asked for and are neither complete nor in quarantine.
    """

    stage: Stage
    checkpoint: Checkpoint
    outputs: OutputFolder
    pages: frozenset[int]
    pending: frozenset[int]
    quarantined: frozenset[int]


@dataclass(frozen=True, slots=True)
class Read:
    """What a look at one output found.

    Attributes:
        output: what it says; None where it says nothing that can be shown.
        problem: what is wrong with it; empty for nothing.
    """

    state: State
    output: PageOutput | None = None
    problem: str = ""


def read_output(begun: Begun, page: int) -> Read:
    """One page's output of a stage. What was changed by hand since it was checked is shown, and said to be so."""
    if page not in begun.pages and page not in begun.checkpoint.pages:
        return Read(_state_beside(begun, page, State.PENDING if page in begun.pending else State.UNASKED))
    found = _look(begun, page)
    if page in begun.checkpoint.pages:
        return found
    return replace(found, state=_state_beside(begun, page, found.state))


def _look(begun: Begun, page: int) -> Read:
    record = begun.checkpoint.pages.get(page)
    try:
        verdict = begun.outputs.check(page, record)
        if not verdict.valid and verdict.problem is not Problem.CHANGED:
            return Read(State.DAMAGED, problem=verdict.detail)
        # As a model and in today's form, also of a page that another program wrote.
        output: PageOutput = begun.outputs.schema.parse(read_regular(begun.outputs.path_of(page)))
    except OSError as error:
        return Read(State.DAMAGED, problem=f"cannot be read: {error.strerror or error}")
    except ValueError:
        # Checked a moment ago, and somebody has written it anew.
        return Read(State.DAMAGED, problem="it changed while it was read")
    if not verdict.valid:
        return Read(State.DAMAGED, output, verdict.detail)
    return Read(State.SAVED if record is None else State.COMPLETE, output)


def _state_beside(begun: Begun, page: int, state: State) -> State:
    """Of a page that is not complete: quarantine counts for more than whatever lies in its place."""
    return State.QUARANTINED if page in begun.quarantined else state

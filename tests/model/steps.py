"""What processes do, and what goes wrong with it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Killed(BaseException):  # no error: like SystemExit, nothing may handle it
    """The process ends here and now."""


class Kind(StrEnum):
    """What goes wrong at a point. At an fsync, a lost request or reply is an error of the disk."""

    LOST_REQUEST = "lost request"
    LOST_REPLY = "lost reply"
    CUT_OFF = "cut off"
    """This command and all that follow in the action are lost."""
    REPEATED = "repeated"
    """The reply was lost, and the client said it again."""
    FLUSHED = "flushed"
    RESTARTED = "restarted"
    """As flushed; the server has forgotten the scripts as well."""
    PAUSED_BEFORE = "paused before"
    PAUSED_AFTER = "paused after"
    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"


@dataclass(frozen=True)
class Action:
    """Something that some process does while another is paused."""

    verb: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with one action.

    Attributes:
        at: at which point of it, from 1.
        meanwhile: what others do while it is paused.
    """

    at: int
    kind: Kind
    meanwhile: tuple[Action, ...] = ()


@dataclass
class Step:
    """One action of one process, under way.

    Attributes:
        verb: what it is.
        trouble: what goes wrong with it; None for nothing.
        page: that a worker works on.
        acts: what the stage does with it, where it was run.
        other: a process that is not the one that does this.
        claim: the token that it was run under.
        successor: the token of whoever has the page now.
        forgotten: whether the server has forgotten that.
        points: how many it came by.
        struck: whether that has come to pass.
        cut_off: whether it reaches the server no more.
        dead: whether its process has ended.
        unsound: pages whose output did not bear out the checkpoint at some time during the step.
        touched: pages whose output was changed during the step.
        drops: pages that it may forget, by its very nature.
        releases: pages that it may let out of quarantine, likewise.
        starts_over: whether it may forget what was asked for.
        raises_cost_to: an amount the step says the stage has cost, in micro-dollars.
        owed: the most that the inbox may add to the cost meanwhile, by page and hash, in micro-dollars.
    """

    verb: str
    trouble: Trouble | None = None
    page: int | None = None
    acts: str | None = None
    other: int = 0
    claim: bytes | None = None
    successor: bytes | None = None
    forgotten: bool = False
    points: int = 0
    struck: bool = False
    cut_off: bool = False
    dead: bool = False
    unsound: set[int] = field(default_factory=set)
    touched: set[int] = field(default_factory=set)
    drops: set[int] = field(default_factory=set)
    releases: set[int] = field(default_factory=set)
    starts_over: bool = False
    raises_cost_to: int = 0
    owed: dict[tuple[int, str], int] = field(default_factory=dict)

    def due(self) -> Trouble | None:
        """Count one more point; what goes wrong there."""
        self.points += 1
        if self.trouble is None or self.trouble.at != self.points:
            return None
        self.struck = True
        return self.trouble

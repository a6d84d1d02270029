"""Letting a process die at every point of an operation."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from tests.crash.scene import Scene
from tests.crash.syscalls import CHANGES_NOTHING, OPENS
from tests.crash.traced import Call, Traced, traced

_MAY_CREATE = os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True, slots=True)
class Death:
    """Where a process died.

    Attributes:
        at: number of calls before it that may change something.
        call: the last call that the process did; None if it died before its first.
    """

    at: int
    call: Call | None

    def __str__(self) -> str:
        return f"a death after call {self.at}, {self.call}" if self.call else "a death before the first call"


def deaths_after_every_change(scene: Scene) -> Iterator[Death]:
    """Die before the first system call, then after each that may change something, until one run gets to its end.

    A death between two such calls leaves what one after the first of them leaves. What a server does on request
    is done meanwhile.
    """
    scene.prepare()
    with traced(lambda report: report(_done(scene))):
        pass
    scene.after_a_death()
    yield Death(0, None)
    at = 0
    while call := _die_after(scene, at):
        yield Death(at, call)
        at += 1


def _die_after(scene: Scene, at: int) -> Call | None:
    """Let a process begin and die after a change; None where it got to its end first."""
    scene.prepare()
    with traced(lambda report: report(_done(scene))) as child:
        call = _go_to_change(child, at)
        if call:
            child.finish_call()
    scene.after_a_death()
    return call


def _done(scene: Scene) -> bool:
    scene.make()()
    return True


def _go_to_change(child: Traced, at: int) -> Call | None:
    while call := child.next_call():
        if _may_change_something(call):
            if not at:
                return call
            at -= 1
        child.finish_call()
    return None


def _may_change_something(call: Call) -> bool:
    if call.name in OPENS:
        # The flags follow the path.
        flags = call.arguments[2 if call.name == "openat" else 1]
        return bool(flags & _MAY_CREATE)
    return call.name not in CHANGES_NOTHING

"""Letting a process die at every point of an operation."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.crash.scene import Scene
from tests.crash.syscalls import CHANGES_SOMETHING
from tests.crash.traced import Call, Traced, traced


@dataclass(frozen=True, slots=True)
class Death:
    """Where a process died.

    Attributes:
        at: which system call, counted from 0.
        call: the call.
        after: whether the call was done.
    """

    at: int
    call: Call
    after: bool

    def __str__(self) -> str:
        return f"a death {'after' if self.after else 'before'} call {self.at}, {self.call}"


def deaths_at_every_call(scene: Scene) -> Iterator[Death]:
    """Die before the first system call, before the second and so on, until one run gets to its end.

    Where a call changes something, die after it as well: what a server does about it is done meanwhile.
    """
    at = 0
    while call := _die(scene, at, after=False):
        yield Death(at, call, after=False)
        if call.name in CHANGES_SOMETHING and (call := _die(scene, at, after=True)):
            yield Death(at, call, after=True)
        at += 1


def deaths_after_every_change(scene: Scene) -> Iterator[Death]:
    """Die after each system call that changes something: where there are too many calls for each in turn."""
    at = 0
    while call := _die(scene, at, after=True, only=CHANGES_SOMETHING):
        yield Death(at, call, after=True)
        at += 1


def _die(scene: Scene, at: int, *, after: bool, only: frozenset[str] | None = None) -> Call | None:
    """Let a process begin and die at a point; None where it got to its end first."""
    scene.prepare()
    with traced(lambda report: report(_done(scene))) as child:
        call = _go_to(child, at, only)
        if call and after:
            child.finish_call()
    scene.after_a_death()
    return call


def _done(scene: Scene) -> bool:
    scene.make()()
    return True


def _go_to(child: Traced, at: int, only: frozenset[str] | None) -> Call | None:
    if only is None:
        child.skip(at)
        return child.next_call()
    while call := child.next_call():
        if call.name in only:
            if not at:
                return call
            at -= 1
        child.finish_call()
    return None

"""Where a process may be interrupted: at each command to Redis, at each fsync, before each lock on storage."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from tests.model.steps import Action, Killed, Kind, Step, Trouble

_SECONDS_A_POINT = 0.0005


class Points:
    """The done_steps under way, the innermost last, and what happens at their points.

    Args:
        do: does what others do meanwhile.
        flush: empties the server; told whether it forgets its scripts too.
        look: called at every point; told whether a command has just been executed.
        tick: lets so many seconds pass.
    """

    def __init__(
        self,
        do: Callable[[Action], None],
        flush: Callable[[bool], None],
        look: Callable[[bool], None],
        tick: Callable[[float], None],
    ) -> None:
        self.done_steps: list[Step] = []
        self._do = do
        self._flush = flush
        self._look = look
        self._tick = tick

    @contextmanager
    def doing(self, step: Step) -> Iterator[Step]:
        self.done_steps.append(step)
        try:
            yield step
        finally:
            self.done_steps.pop()

    def command(self, execute: Callable[[], Any]) -> Any:
        """A command to Redis."""
        if not self.done_steps:
            return execute()
        step = self.done_steps[-1]
        trouble = self._enter(step)
        if step.cut_off or (trouble and trouble.kind is Kind.LOST_REQUEST):
            raise RedisConnectionError("the request was lost")
        reply = execute()
        if trouble and trouble.kind is Kind.REPEATED:
            reply = execute()
        self._leave(step, trouble, executed=True)
        if trouble and trouble.kind is Kind.LOST_REPLY:
            raise RedisConnectionError("the reply was lost")
        return reply

    def fsync(self, _fd: int) -> None:
        """An fsync; nothing is synced, because a test of order and not of power loss needs no disk."""
        if not self.done_steps:
            return
        step = self.done_steps[-1]
        trouble = self._enter(step)
        if trouble and trouble.kind in {Kind.LOST_REQUEST, Kind.LOST_REPLY}:
            raise OSError(errno.EIO, "input/output error")
        self._leave(step, trouble)

    def before_lock(self) -> None:
        """The moment before a lock on storage is taken."""
        if self.done_steps:
            self._leave(self.done_steps[-1], self._enter(self.done_steps[-1]))

    def pause(self, meanwhile: tuple[Action, ...]) -> None:
        """The innermost step pauses, and others act."""
        for action in meanwhile:
            self._do(action)

    def _enter(self, step: Step) -> Trouble | None:
        if step.dead:
            raise Killed
        self._look(False)
        self._tick(_SECONDS_A_POINT)
        trouble = step.due()
        if trouble is None:
            return None
        if trouble.kind is Kind.KILLED_BEFORE:
            step.dead = True
            raise Killed
        if trouble.kind is Kind.PAUSED_BEFORE:
            self.pause(trouble.meanwhile)
        elif trouble.kind in {Kind.FLUSHED, Kind.RESTARTED}:
            self._flush(trouble.kind is Kind.RESTARTED)
        elif trouble.kind is Kind.CUT_OFF:
            step.cut_off = True
        return trouble

    def _leave(self, step: Step, trouble: Trouble | None, *, executed: bool = False) -> None:
        self._look(executed)
        if trouble is None:
            return
        if trouble.kind is Kind.PAUSED_AFTER:
            self.pause(trouble.meanwhile)
        elif trouble.kind is Kind.KILLED_AFTER:
            step.dead = True
            raise Killed

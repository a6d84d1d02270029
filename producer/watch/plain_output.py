"""The view as plain lines: for logs, pipes, CI, and terminals that are small or dumb."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from checkpointing.plurals import counted
from producer.watch import output
from producer.watch.line import shown
from producer.watch.snapshot import Scene, StageFacts
from producer.watch.symbols import ASCII
from producer.watch.worker_rows import row, summary
from producer.watch.workers import StageKey

_LINE_SECONDS = 10.0
_WIDTH = 200


class Lines:
    """A line now and then for each stage under way, and one at each change of status.

    Args:
        say: prints a line.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._statuses: dict[StageKey, str] = {}
        self._troubles = ("", "")
        self._waiting: set[StageKey] = set()
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put back."""

    def show(self, scene: Scene) -> None:
        """Say what is due."""
        due = time.monotonic() >= self._next
        if due:
            self._next = time.monotonic() + _LINE_SECONDS
        for stage in scene.stages:
            key = (stage.scan_id, stage.stage)
            if self._statuses.get(key) != stage.status or (due and stage.under_way):
                self._statuses[key] = stage.status
                self._say(output.plain_line(stage))
            self._say_wait(key, stage, due=due)
        self._say_troubles(scene)

    def _say_wait(self, key: StageKey, stage: StageFacts, *, due: bool) -> None:
        """Say what a stage waits for: at once, and again whenever lines are due."""
        waits = bool(stage.waits and stage.under_way)
        if waits and (due or key not in self._waiting):
            self._say(shown(f"{stage.label} waits: {stage.waits}"))
        if not waits and key in self._waiting and stage.under_way:
            self._say(shown(f"{stage.label}: the model answers again"))
        (self._waiting.add if waits else self._waiting.discard)(key)

    def _say_troubles(self, scene: Scene) -> None:
        troubles = (scene.broker_trouble, scene.storage_trouble)
        if bool(troubles[0]) != bool(self._troubles[0]):
            self._say(_redis(scene) if troubles[0] else "Redis answers again")
        if troubles[1] and troubles[1] != self._troubles[1]:
            self._say(shown(troubles[1]))
        self._troubles = troubles


def state_lines(scene: Scene) -> list[str]:
    """All of a scene in lines, said once."""
    lines = []
    for stage in scene.stages:
        lines.append(output.plain_line(stage))
        lines += [f"  {shown(each)}" for each in [output.in_flight(stage), *output.trouble(stage)] if each]
    if scene.more:
        lines.append(f"and {counted(scene.more, 'more stage')} under way")
    if not scene.stages:
        lines.append("Nothing is under way.")
    lines += [shown(each) for each in (scene.rest, scene.storage_trouble) if each]
    lines.append(_redis(scene))
    if not scene.broker_trouble:
        lines += [row(each, scene.at, _WIDTH, ASCII).plain for each in scene.crew.workers]
    return lines


def _redis(scene: Scene) -> str:
    return summary(scene, _WIDTH, ASCII).plain

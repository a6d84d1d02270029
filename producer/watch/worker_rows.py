"""Who works, in lines: how many live, and what each has in hand since when."""

from itertools import groupby

from rich.text import Text

from checkpointing.plurals import counted
from producer.watch.line import Line
from producer.watch.output import clock
from producer.watch.snapshot import Crew, Scene, Task, Worker
from producer.watch.stall import NO_WORKER
from producer.watch.symbols import ASIDE, TITLE, TROUBLE, Glyphs

_NAME_COLUMNS = 24
_MINUTE = 60


def summary(scene: Scene, width: int, glyphs: Glyphs) -> Text:
    """How many workers there are."""
    crew = scene.crew
    line = Line(width, glyphs)
    if scene.broker_trouble:
        said = f"Redis does not answer ({scene.broker_trouble}); who works is not known, the rest stands"
        return line.add(said, TROUBLE).text
    if not crew.asked:
        return line.add("Workers: being asked", ASIDE).text
    if not crew.alive:
        return line.add(NO_WORKER, TROUBLE).text
    line.add("Workers", TITLE)
    return line.add(f"  {_counted(crew)}").text


def row(worker: Worker, at: float, width: int, glyphs: Glyphs) -> Text:
    """What a worker does: the pages that it has in hand, those begun first before the others.

    Args:
        worker: who.
        at: seconds since the epoch, now.
        width: columns.
        glyphs: the characters.
    """
    line = Line(width, glyphs)
    name = Line(min(_NAME_COLUMNS, max(width // 3, 1)), glyphs).add(worker.name).text.plain
    line.add(f"  {name}", TITLE)
    if not worker.tasks:
        return line.add("  idle", ASIDE).text
    for (scan_id, stage), tasks in groupby(sorted(worker.tasks, key=_stage_first), key=_stage_of):
        line.add(f"  {scan_id}/{stage}: {', '.join(_since(task, at) for task in tasks)}")
    return line.text


def _counted(crew: Crew) -> str:
    silent = crew.alive - len(crew.workers)
    parts = [f"{crew.alive} alive"]
    if crew.slots:
        parts.append(f"{counted(crew.slots, 'page')} at once")
    if silent > 0:
        parts.append(f"{silent} of them not answering just now")
    return ", ".join(parts)


def _stage_of(task: Task) -> tuple[str, str]:
    return task.scan_id, task.stage


def _stage_first(task: Task) -> tuple[str, str, float, int]:
    return task.scan_id, task.stage, task.since, task.page


def _since(task: Task, at: float) -> str:
    """The page, and for how long; the clocks of two machines may differ a little."""
    if not task.since:
        return f"page {task.page}"
    seconds = max(0.0, at - task.since)
    span = f"{seconds:.0f} s" if seconds < _MINUTE else clock(seconds)
    return f"page {task.page} for {span}"

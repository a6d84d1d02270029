"""The renderer: makes lines of a scene that fit a terminal, whatever its size. Touches nothing else."""

from dataclasses import dataclass, field
from itertools import groupby

from rich.console import Group
from rich.text import Text

from checkpointing.plurals import counted
from producer.watch import stage_lines, worker_rows
from producer.watch.grid import grid, legend, rows_wanted
from producer.watch.line import Line
from producer.watch.snapshot import Scene, StageFacts
from producer.watch.symbols import ASIDE, TROUBLE, Glyphs


def render(scene: Scene, width: int, height: int, glyphs: Glyphs, hint: str = "") -> Group:
    """A scene in a box of so many columns and lines.

    Args:
        scene: what is known.
        width: columns.
        height: lines; what matters least is left out first.
        glyphs: the characters.
        hint: what can be done here, for the last line.
    """
    return Group(*_Page(scene, width, height, glyphs, hint).lines())


@dataclass(slots=True)
class _Block:
    """The lines of one stage, as many as were granted."""

    stage: StageFacts
    title: list[Text] = field(default_factory=list)
    head: list[Text] = field(default_factory=list)
    trouble: list[Text] = field(default_factory=list)
    busy: bool = False
    rows: int = 0


class _Page:
    """Grants lines, the most important ones first, and puts them in order."""

    def __init__(self, scene: Scene, width: int, height: int, glyphs: Glyphs, hint: str) -> None:
        self._scene = scene
        self._width = width
        self._glyphs = glyphs
        self._left = height
        self._hint = hint
        self._blocks: list[_Block] = []
        self._hidden = scene.more
        self._crew: list[Text] = []
        self._legend = False

    def lines(self) -> list[Text]:
        trouble = self._granted(
            [self._line(self._scene.storage_trouble, TROUBLE)] * bool(self._scene.storage_trouble)
        )
        # The last lines: who works, and that there is more than is shown.
        self._crew = self._granted([worker_rows.summary(self._scene, self._width, self._glyphs)])
        self._heads()
        last = self._last()
        for block in self._blocks:
            block.trouble = self._granted(stage_lines.trouble(block.stage, self._width, self._glyphs))
        self._first_rows()
        for block in self._blocks:
            block.busy = block.stage.under_way and self._left > 0
            self._left -= block.busy
        self._rows_of_workers()
        self._more_rows()
        return [*trouble, *self._stages(), *self._crew, *last]

    def _granted(self, lines: list[Text]) -> list[Text]:
        """As many of the lines as there is room for."""
        granted = lines[: max(self._left, 0)]
        self._left -= len(granted)
        return granted

    def _heads(self) -> None:
        heads = stage_lines.Heads(self._scene.stages, self._width, self._glyphs)
        for _, stages in groupby(self._scene.stages, key=lambda stage: stage.scan_id):
            for number, stage in enumerate(stages):
                needed = 2 if number == 0 else 1
                # A line is kept for how many are hidden.
                if self._left <= needed:
                    self._hidden += 1
                    continue
                block = _Block(stage)
                if number == 0:
                    block.title = self._granted([stage_lines.title(stage, self._width, self._glyphs)])
                block.head = self._granted([heads.line(stage)])
                self._blocks.append(block)

    def _last(self) -> list[Text]:
        lines = []
        if self._hidden:
            lines.append(
                self._line(f"and {counted(self._hidden, 'more stage')}; a taller terminal shows more", ASIDE)
            )
        if self._scene.rest:
            lines.append(self._line(self._scene.rest, ASIDE))
        if not self._scene.stages and not self._scene.rest:
            lines.append(self._line("Nothing is under way.", ASIDE))
        if self._hint:
            lines.append(self._line(self._hint, ASIDE))
        return self._granted(lines)

    def _first_rows(self) -> None:
        """A legend, and a row for each stage whose pages are not all alike."""
        wanting = [block for block in self._blocks if len(set(block.stage.states)) > 1]
        wanting.sort(key=lambda block: not block.stage.under_way)
        for block in wanting:
            needed = 1 if self._legend else 2
            if self._left < needed:
                return
            self._left -= needed
            self._legend = True
            block.rows = 1

    def _rows_of_workers(self) -> None:
        if self._scene.broker_trouble:
            return
        at = self._scene.at
        rows = [worker_rows.row(each, at, self._width, self._glyphs) for each in self._scene.crew.workers]
        self._crew += self._granted(rows)

    def _more_rows(self) -> None:
        """What is left goes to the grids, in turn."""
        growing = [block for block in self._blocks if block.rows]
        while growing and self._left > 0:
            growing = [block for block in growing if block.rows < rows_wanted(block.stage, self._width)]
            for block in growing[: self._left]:
                block.rows += 1
                self._left -= 1

    def _stages(self) -> list[Text]:
        lines: list[Text] = []
        for block in self._blocks:
            rows, pages = self._grid(block)
            lines += [*block.title, *block.head, *block.trouble]
            if block.busy:
                lines.append(stage_lines.busy(block.stage, pages, self._width, self._glyphs))
            lines += rows
        return [*lines, legend(self._width, self._glyphs)] if self._legend else lines

    def _grid(self, block: _Block) -> tuple[list[Text], int]:
        if not block.rows:
            return [], 1
        return grid(block.stage, self._width, block.rows, self._glyphs)

    def _line(self, text: str, style: str) -> Text:
        return Line(self._width, self._glyphs).add(text, style).text

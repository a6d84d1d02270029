"""The lines of one stage, apart from its grid."""

from collections.abc import Sequence

from rich.text import Text

from checkpointing.plurals import counted
from producer.watch import output
from producer.watch.line import Line
from producer.watch.page_states import PageState
from producer.watch.snapshot import StageFacts
from producer.watch.symbols import ASIDE, STATUS_STYLES, STYLES, TITLE, TROUBLE, Glyphs

_MOST_BAR = 40
_LEAST_BAR = 4
_GAP = "  "
# From so many columns on there is room for everything in one line.
_WIDE = 80


def title(stage: StageFacts, width: int, glyphs: Glyphs) -> Text:
    """Which scan it is."""
    line = Line(width, glyphs).add(stage.scan_id, TITLE)
    pages = f"{_GAP}{counted(stage.total_pages, 'page')}"
    if stage.title and stage.title != stage.scan_id:
        rest = Line(max(0, line.left - len(pages)), glyphs).add(f"{_GAP}{stage.title}")
        line.add(rest.text.plain)
    return line.add(pages, ASIDE).text


class Heads:
    """How far stages are: bar, pages, rate, time to go, money, a line each, with the bars below each other.

    Args:
        stages: all that are shown.
        width: columns.
        glyphs: the characters.
    """

    def __init__(self, stages: Sequence[StageFacts], width: int, glyphs: Glyphs) -> None:
        self._width = width
        self._glyphs = glyphs
        self._name_columns = max((len(stage.stage) for stage in stages), default=0)
        used = max((self._columns(stage) for stage in stages), default=0)
        self._bar_columns = min(width - used, _MOST_BAR)

    def line(self, stage: StageFacts) -> Text:
        """The line of one of them; as much of it as there is room for."""
        line = Line(self._width, self._glyphs)
        line.add(f"{stage.stage:<{self._name_columns}}{_GAP}", TITLE)
        if self._bar_columns >= _LEAST_BAR:
            _add_bar(line, stage, self._bar_columns, self._glyphs)
        for piece, style in self._pieces(stage):
            if line.fits(piece):
                line.add(piece, style)
            if line.fits(_GAP):
                line.add_own(_GAP)
        return line.text

    def _columns(self, stage: StageFacts) -> int:
        """What a line takes without its bar."""
        pieces = self._pieces(stage)
        return self._name_columns + len(_GAP) + len(" ") + sum(len(piece) + len(_GAP) for piece, _ in pieces)

    def _pieces(self, stage: StageFacts) -> list[tuple[str, str]]:
        status = output.status(stage)
        pieces = [(f"{stage.completed}/{counted(stage.total_pages, 'page')}", "")]
        if status:
            pieces.append((status, STATUS_STYLES.get(stage.status, ASIDE)))
        else:
            pieces += [(each, "") for each in output.speed(stage)]
        below = stage.under_way and is_narrow(self._width)
        return pieces if below else [*pieces, (output.money(stage), "")]


def is_narrow(width: int) -> bool:
    """Whether money has its place in the line below."""
    return width < _WIDE


def busy(stage: StageFacts, pages_a_cell: int, width: int, glyphs: Glyphs) -> Text:
    """What is in hand, what waits, and how many pages a cell of the grid stands for; as far as there is any."""
    cell = f"a cell: {pages_a_cell} pages" if pages_a_cell > 1 else ""
    parts = [output.in_flight(stage), output.money(stage) if is_narrow(width) else "", cell]
    return Line(width, glyphs).add(f"{_GAP}{'; '.join(filter(None, parts))}").text


def trouble(stage: StageFacts, width: int, glyphs: Glyphs) -> list[Text]:
    """What a person should know, a line each."""
    return [Line(width, glyphs).add(f"{_GAP}{each}", TROUBLE).text for each in output.trouble(stage)]


def _add_bar(line: Line, stage: StageFacts, columns: int, glyphs: Glyphs) -> None:
    full = columns * stage.completed // stage.total_pages if stage.total_pages else 0
    # A book that lacks a page has no full bar, and one that has a page no empty one.
    if stage.completed:
        full = max(full, 1)
    line.add_own(glyphs.full * full, STYLES[PageState.COMPLETE])
    line.add_own(f"{glyphs.empty * (columns - full)}", ASIDE)
    line.add_own(" ")

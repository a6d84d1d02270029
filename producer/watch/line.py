"""Lines of text for the view. All that was written by others goes in here, and comes out as plain characters."""

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from checkpointing.errors import in_one_line
from producer.watch.symbols import Glyphs

_MOST_CHARACTERS = 400


class Line:
    """One line, made piece by piece; never wider than it may be.

    Args:
        width: columns.
        glyphs: for the mark where something is cut off.
    """

    def __init__(self, width: int, glyphs: Glyphs) -> None:
        self._width = width
        self._glyphs = glyphs
        self.text = Text(no_wrap=True, overflow="crop")

    @property
    def left(self) -> int:
        """Columns that are free yet."""
        return self._width - self.text.cell_len

    def add(self, text: str, style: str = "") -> "Line":
        """Add a piece, cut to what is left. Neither markup nor control characters in it do anything."""
        return self.add_own(shown(text), style)

    def add_own(self, plain: str, style: str = "") -> "Line":
        """Add a piece that nobody else wrote: a bar, a row of a grid."""
        if cell_len(plain) > self.left:
            mark = self._glyphs.ellipsis
            room = self.left - cell_len(mark)
            plain = set_cell_size(plain, room) + mark if room > 0 else set_cell_size(plain, max(self.left, 0))
        self.text.append(plain, style)
        return self

    def fits(self, text: str) -> bool:
        """Whether a piece has room."""
        return cell_len(shown(text)) <= self.left


def shown(text: str) -> str:
    """What is shown of a text: its printable characters, with the spaces at its ends, on one line."""
    start = " " * (len(text) - len(text.lstrip(" ")))
    end = " " * (len(text) - len(text.rstrip(" "))) if text.strip() else ""
    return f"{start}{in_one_line(text, most=_MOST_CHARACTERS)}{end}"

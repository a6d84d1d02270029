"""Setting prose in lines: the typeface, the measures of a page, and where each line breaks.

Lines break only at spaces and words are never hyphenated: the printed lines, joined by spaces, are the prose.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Literal

from PIL import ImageFont

from checkpointing.errors import SettingsError

TYPEFACE = "SourceSerifPro-Regular.otf"
"""The `.ttf` beside it has straight quotes half as wide, hinted, as they are: they touch the next letter."""

Alignment = Literal["justified", "left", "centred"]


@dataclass(frozen=True, slots=True)
class PageFormat:
    """The measures of a page. All are pixels of the scan; the margins are measured from the page's edges.

    Attributes:
        width: of the page.
        height: of the page.
        dpi: resolution of the scan, in dots per inch.
        side_margin: to the left and to the right of the text.
        top_margin: above the first line of text; the running head hangs halfway into it.
        bottom_margin: below the last line of text; the page number hangs halfway into it.
        type_size: height of the type's em square.
        leading: from one baseline to the next.
    """

    width: int
    height: int
    dpi: int
    side_margin: int
    top_margin: int
    bottom_margin: int
    type_size: int
    leading: int

    @property
    def measure(self) -> int:
        """Width of a full line, in pixels."""
        return self.width - 2 * self.side_margin

    @property
    def depth(self) -> int:
        """Height of the text block, in pixels."""
        return self.height - self.top_margin - self.bottom_margin


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line.

    Attributes:
        text: exactly what is printed.
        align: justified lines fill the measure; the last of a paragraph is set left.
        scale: size of its type, as a multiple of the page format's.
        indent: white before the first word, in pixels.
        space_above: white between the line before it and this one, in pixels, beyond the leading.
    """

    text: str
    align: Alignment = "left"
    scale: float = 1.0
    indent: int = 0
    space_above: int = 0


@cache
def typeface(size: int) -> ImageFont.FreeTypeFont:
    """The book's typeface at `size` pixels.

    The basic layout engine is named so that lines break alike with and without libraqm.

    Raises:
        SettingsError: the extra `sample` is not installed.
    """
    try:
        package = files("font_source_serif_pro")
    except ModuleNotFoundError as error:
        raise SettingsError("the sample book has no typeface: run pip install 'leafmark[sample]'") from error
    with as_file(package / "files" / TYPEFACE) as path:
        return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def set_paragraph(paragraph: str, page_format: PageFormat, indent: int) -> Iterator[Line]:
    """Break a paragraph into justified lines, first fit; `indent`, in pixels, is before its first only."""
    font = typeface(page_format.type_size)
    words = paragraph.split()
    line = words[0]
    for word in words[1:]:
        longer = f"{line} {word}"
        if indent + font.getlength(longer) <= page_format.measure:
            line = longer
            continue
        yield Line(line, "justified", indent=indent)
        line, indent = word, 0
    yield Line(line, "left", indent=indent)

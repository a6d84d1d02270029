"""From a page as data to a page as a scan, the same pixels every time."""

from PIL import Image, ImageDraw

from sample.book import PageKind, SamplePage
from sample.paper import scan
from sample.picture import draw_well
from sample.typesetting import Line, PageFormat, typeface

INK = 255
FURNITURE_SCALE = 0.76
"""Type size of running head and page number, against the text's."""
PICTURE_CENTRE = 0.45
"""How far down the page the picture's middle is, as a part of its height."""
CAPTION_GAP = 50
"""White between the picture and its caption, in pixels."""
DISPLAY_WORD_SPACE = 1.6
"""Word space of centred lines against the typeface's own, in which a reader misses the space of "CHAPTER I"."""


def render(page: SamplePage) -> Image.Image:
    """The page as scanned: mode RGB, of its format's width and height."""
    page_format = page.page_format
    ink = Image.new("L", (page_format.width, page_format.height))
    draw = ImageDraw.Draw(ink)
    _draw_furniture(draw, page)
    baseline = page_format.top_margin
    for line in page.lines:
        baseline += line.space_above + round(line.scale * page_format.leading)
        _draw_line(draw, line, page_format, baseline)
    if page.kind is PageKind.PICTURE:
        _draw_picture(draw, page)
    return scan(ink, page.number)


def _draw_furniture(draw: ImageDraw.ImageDraw, page: SamplePage) -> None:
    page_format = page.page_format
    head = Line(page.header, "centred", FURNITURE_SCALE)
    _draw_line(draw, head, page_format, round(page_format.top_margin * 0.75))
    foot = Line(page.footer, "centred", FURNITURE_SCALE)
    _draw_line(draw, foot, page_format, page_format.height - round(page_format.bottom_margin * 0.5))


def _draw_picture(draw: ImageDraw.ImageDraw, page: SamplePage) -> None:
    page_format = page.page_format
    size = page_format.measure // 2
    middle = round(page_format.height * PICTURE_CENTRE)
    draw_well(draw, (page_format.width / 2, middle), size)
    caption = Line(page.caption, "centred", scale=0.9)
    _draw_line(draw, caption, page_format, middle + size + CAPTION_GAP + page_format.type_size)


def _draw_line(draw: ImageDraw.ImageDraw, line: Line, page_format: PageFormat, baseline: int) -> None:
    """Draw one line of text on `baseline`, in pixels from the top; an empty one draws nothing."""
    font = typeface(round(line.scale * page_format.type_size))
    words = line.text.split()
    widths = [font.getlength(word) for word in words]
    gaps = len(words) - 1
    x: float = page_format.side_margin + line.indent
    space = font.getlength(" ")
    if line.align == "justified":
        space = (page_format.measure - line.indent - sum(widths)) / max(1, gaps)
    elif line.align == "centred":
        space *= DISPLAY_WORD_SPACE
        x += (page_format.measure - sum(widths) - gaps * space) / 2
    for word, width in zip(words, widths, strict=True):
        draw.text((x, baseline), word, INK, font, anchor="ls")
        x += width + space

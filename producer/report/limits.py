"""How large a report may become, whatever the book: docs/reference/report.md tells the same in words."""

MOST_TILES = 10_000
"""Pages on the grid; those after them are counted and not drawn."""
MOST_VIEWS = 2_000
"""A book with more pages gets the grid alone: no texts, no pictures."""
MOST_CHARACTERS = 20_000
"""Of a page's text, before and after correction each; a page of print has two or three thousand."""
MOST_EDITS = 200
"""Edits of a page that are listed; all are counted."""
MOST_LISTED = 500
"""Rows of a list of troubles; all are counted."""

THUMBNAIL_WIDTH = 160
"""Pixels."""
THUMBNAIL_BYTES = 6_000
ALL_THUMBNAIL_BYTES = 3_000_000
"""Of all thumbnails together, before base64 makes a third more of them."""
PICTURE_BYTES = 90_000
"""Of the picture beside a page's text; fewer where a long book has to share `ALL_PICTURE_BYTES`."""
ALL_PICTURE_BYTES = 13_500_000
RENDER_DPI = 150
"""Pages of a PDF are rendered no finer than this for pictures that small; dots per inch."""


def share(each: int, together: int, pages: int) -> int:
    """Bytes that a page may take: `each`, or what is its part of `together`."""
    return min(each, together // max(1, pages))

"""Limits that keep the size of a report bounded, whatever the book. docs/reference/report.md explains them."""

MAX_TILES = 10_000
"""Pages in the grid; further pages are only counted."""
MAX_VIEWS = 2_000
"""A book with more pages gets the grid alone, without texts and pictures."""
MAX_CHARACTERS = 20_000
"""Characters shown of a page's text, before and after correction each; a printed page has two or three thousand."""
MAX_PAGES_WITH_WORDS = 500
"""A book with more pages has boxes of lines over its pictures, instead of words."""
MAX_EDITS = 200
"""Edits listed for a page; all are counted."""
MAX_LISTED = 500
"""Rows in a list of problems; all are counted."""

THUMBNAIL_WIDTH = 160
"""Pixels."""
THUMBNAIL_BYTES = 6_000
ALL_THUMBNAIL_BYTES = 3_000_000
"""Bytes of all thumbnails together, before base64 adds a third."""
PICTURE_BYTES = 90_000
"""Bytes of the picture beside a page's text; fewer in a long book, whose pages share `ALL_PICTURE_BYTES`."""
ALL_PICTURE_BYTES = 13_500_000
SCANNED_BYTES = 15_000
"""Bytes of the picture of a page as it was scanned, where it was read cropped, straightened or turned."""
ALL_SCANNED_BYTES = 1_500_000
RENDER_DPI = 150
"""Maximum resolution at which a PDF page is rendered for these pictures, in dots per inch."""


def share(each: int, together: int, pages: int) -> int:
    """Return the bytes that a page may take: at most `each`, and at most its share of `together`."""
    return min(each, together // max(1, pages))

"""What the parts of a page are."""

from enum import StrEnum


class RegionType(StrEnum):
    """The type of a region on its page."""

    HEADER = "header"
    BODY = "body"
    FOOTER = "footer"
    CAPTION = "caption"
    IMAGE = "image"
    TABLE = "table"
    PAGE_NUMBER = "page_number"
    FOOTNOTE = "footnote"
    MARGINALIA = "marginalia"
    SIGNATURE = "signature"
    CATCHWORD = "catchword"
    VERSE = "verse"
    VERTICAL = "vertical"

"""What the readers of all formats give."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TruthPage:
    """The known text of a page.

    Attributes:
        text: its lines in reading order, joined by line feeds.
        number: of the page, from 1, as the file gives it; None if it does not.
    """

    text: str
    number: int | None = None

"""The journal of a change of page numbers. While it is there, no command or worker uses the book."""

from pathlib import Path
from typing import Any, Literal

from checkpointing.errors import InputError
from checkpointing.fields import OpenModel

JOURNAL = "renumbering.json"
STAGED = "renumbering"
KEPT = "renumbered"


class BeingRenumberedError(InputError):
    """The pages of a book are being renumbered, or that was interrupted."""


class Journal(OpenModel):
    """What is under way.

    Attributes:
        state: `writing` while the book is as it was; `switching` from when all of it is written.
        kept: name of the folder in `renumbered/` in which the book as it was is kept.
        folders: those that are exchanged, in this order.
        metadata: of the book once it is done.
    """

    version: str = "1"
    state: Literal["writing", "switching"]
    kept: str
    folders: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}  # noqa: RUF012  # pydantic copies it


def refuse_renumbering(folder: Path) -> None:
    """Refuse a book whose pages are being renumbered.

    Raises:
        BeingRenumberedError: they are, or that was interrupted.
    """
    if (folder / JOURNAL).exists():
        raise BeingRenumberedError(
            f"the pages of {folder.name} are being renumbered",
            hint=f"wait, or run `producer spreads {folder.name}` if that was interrupted",
        )

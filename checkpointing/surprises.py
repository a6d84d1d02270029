"""Calls that were dearer than they could be by the known price: one small file each, beside their stage's ledger.

These are all that cost more than was reserved for them, and the first one of a stage where enough was reserved.

`<scan>/ledger/<stage>/dearer/<attempt>.json` is durable before the answer of its call is noted. It is what the
workers remember, over a flush of Redis, of a price that turned out to be wrong.
"""

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from checkpointing.atomic import make_folder, write_durably
from checkpointing.fields import PageNumber, now
from checkpointing.ledger import LEDGER_FOLDER
from checkpointing.ledger_entry import AttemptId
from checkpointing.regular_files import NotRegularFileError, read_regular

_FOLDER = "dearer"
_SUFFIX = ".json"


class Surprise(BaseModel):
    """A call that was dearer than it could be by the price that was known.

    Attributes:
        price: the price known for the model at that time, in words; another price makes this one obsolete.
        reserved_micro: what was reserved for the call, in micro-dollars.
        cost_micro: what it cost, in micro-dollars, rounded up.
        factor: what is to be reserved from now on, as a multiple of what would be by that price; or, for a model
            without a price, in micro-dollars for each token that a call can take.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: str = "1"
    attempt: AttemptId
    page: PageNumber
    provider: str
    model: str
    price: str
    reserved_micro: NonNegativeInt
    cost_micro: NonNegativeInt
    factor: Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
    noted_at: AwareDatetime = Field(default_factory=now)

    @property
    def excess_micro(self) -> int:
        """What the call cost beyond what was reserved for it, in micro-dollars."""
        return max(0, self.cost_micro - self.reserved_micro)


def note_surprise(scan_dir: Path, stage: str, surprise: Surprise) -> None:
    """Note a surprise durably. Safe to repeat.

    Raises:
        OSError: the storage failed.
    """
    folder = _folder(scan_dir, stage)
    make_folder(folder, within=scan_dir)
    path = folder / f"{surprise.attempt}{_SUFFIX}"
    write_durably(path, surprise.model_dump_json().encode(), Surprise.model_validate_json)


def read_surprises(scan_dir: Path, stage: str) -> list[Surprise]:
    """Return the surprises of a stage of a scan, in no order; without those whose file is damaged.

    Raises:
        OSError: the storage failed.
    """
    folder = _folder(scan_dir, stage)
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = (_read(folder / name) for name in names if name.endswith(_SUFFIX))
    return [surprise for surprise in found if surprise is not None]


def _read(path: Path) -> Surprise | None:
    try:
        return Surprise.model_validate_json(read_regular(path))
    except (ValidationError, FileNotFoundError, NotRegularFileError):
        return None


def _folder(scan_dir: Path, stage: str) -> Path:
    return scan_dir / LEDGER_FOLDER / stage / _FOLDER

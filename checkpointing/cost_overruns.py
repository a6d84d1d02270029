"""Calls that cost more than the known price allows: one small file each, beside the ledger of their stage.

`<scan>/ledger/<stage>/dearer/<attempt>.json` is durable before the answer is recorded, so that workers know after a
flush of Redis that a price is wrong. Each call that cost more than was reserved for it has such a file, and so has
the first one of a stage that the reservation covered.
"""

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field, NonNegativeInt, ValidationError

from checkpointing.atomic import make_folder, write_durably
from checkpointing.fields import OpenModel, PageNumber, now
from checkpointing.ledger import LEDGER_FOLDER
from checkpointing.ledger_entry import AttemptId
from checkpointing.money import Money
from checkpointing.regular_files import NotRegularFileError, read_regular

_FOLDER = "dearer"
_SUFFIX = ".json"


class CostOverrun(OpenModel):
    """A call that cost more than the known price allows.

    Attributes:
        price: the known price of the model at that time, for people; another price makes the record obsolete.
        cost_micro: its cost in micro-dollars, rounded up.
        factor: what to reserve from now on, as a multiple of the reservation by that price; for a model without a
            price, in micro-dollars for each token that a call can take.
    """

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
    def excess(self) -> Money:
        """Return what the call cost beyond what was reserved for it."""
        return Money.from_micro(max(0, self.cost_micro - self.reserved_micro))


def record_overrun(scan_dir: Path, stage: str, overrun: CostOverrun) -> None:
    """Record an overrun durably. Safe to repeat.

    Raises:
        OSError: the storage failed.
    """
    folder = _folder(scan_dir, stage)
    make_folder(folder, within=scan_dir)
    path = folder / f"{overrun.attempt}{_SUFFIX}"
    write_durably(path, overrun.model_dump_json().encode(), CostOverrun.model_validate_json)


def read_overruns(scan_dir: Path, stage: str) -> list[CostOverrun]:
    """Return the overruns of a stage of a scan, in any order, except those whose file is damaged.

    Raises:
        OSError: the storage failed.
    """
    folder = _folder(scan_dir, stage)
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = (_read(folder / name) for name in names if name.endswith(_SUFFIX))
    return [overrun for overrun in found if overrun is not None]


def _read(path: Path) -> CostOverrun | None:
    try:
        return CostOverrun.model_validate_json(read_regular(path))
    except (ValidationError, FileNotFoundError, NotRegularFileError):
        return None


def _folder(scan_dir: Path, stage: str) -> Path:
    return scan_dir / LEDGER_FOLDER / stage / _FOLDER

"""Scan ids, stage names and the pair of both: the one rule for names in paths, Redis keys and messages."""

import re
import reprlib
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field

from checkpointing.errors import InputError

MAX_SCAN_ID_LENGTH = 100
# Letters, digits, `_`, `-` and single dots. Two dots in a row could lead out of the storage root.
_SCAN_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?$"

ScanId = Annotated[str, Field(pattern=_SCAN_ID_PATTERN, max_length=MAX_SCAN_ID_LENGTH)]
"""A field of a model that holds a scan id."""
StageName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
"""A field of a model that holds the name of a stage."""


def is_scan_id(text: str) -> bool:
    """Return whether a text can name a scan: a folder on any system, safe in a path and in a Redis key."""
    return len(text) <= MAX_SCAN_ID_LENGTH and re.fullmatch(_SCAN_ID_PATTERN, text) is not None


def check_scan_id(text: str) -> str:
    """Return the text if it is a scan id, else raise InputError."""
    if is_scan_id(text):
        return text
    raise InputError(
        f"{reprlib.repr(text)} is not a scan id: use 1 to {MAX_SCAN_ID_LENGTH} letters, digits, '.', '_' or '-', "
        "begin with a letter or digit, and leave out '..'"
    )


@dataclass(frozen=True, order=True, slots=True)
class StageRef:
    """One stage of one scan.

    Attributes:
        scan_id: the scan; its folder in the storage root has this name.

    Raises:
        InputError: the scan id could lead out of the storage root.
    """

    scan_id: str
    stage: str

    def __post_init__(self) -> None:
        check_scan_id(self.scan_id)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the stage that `<scan_id>/<stage>` names.

        Raises:
            InputError: the text does not begin with a scan id.
        """
        scan_id, _, stage = text.partition("/")
        return cls(scan_id, stage)

    def __str__(self) -> str:
        return f"{self.scan_id}/{self.stage}"

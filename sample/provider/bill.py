"""What the provider would charge: a row for each call, and what they come to.

With a file, each row is in it before the call is answered, as a line of JSON. A line further down with the same id
stands in its place. So a provider that is killed and started again goes on with the same bill.
"""

import threading
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from sample.provider.behaviour import Trouble

_ID_START = "chatcmpl-"


class BillRow(BaseModel):
    """One call.

    Attributes:
        id: counts the calls; the answer has the same.
        request_sha256: of the request's body.
        page: which page it was about.
        stage: name of the schema that was asked for.
        billed_usd: what it costs, not rounded; 0 for calls that are not billed.
        trouble: what went wrong on purpose, if anything.
        answer_sent: whether all of an answer was sent to a client that was still there.
        usage_reported: whether the answer tells how many tokens it took.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    request_sha256: str
    page: int
    stage: str
    billed_usd: Decimal
    trouble: Trouble | None
    answer_sent: bool = False
    usage_reported: bool


class Statement(BaseModel):
    """The bill as it stands.

    Attributes:
        calls: how many were understood, whatever became of them.
        billed_calls: how many of them cost something.
        total_usd: what they come to, not rounded.
        rows: one a call, oldest first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    calls: NonNegativeInt
    billed_calls: NonNegativeInt
    total_usd: Decimal
    rows: tuple[BillRow, ...]


class Bill:
    """Keeps the rows of one provider, for all its threads.

    Args:
        path: file that the bill is kept in, read at the start; None to keep it in memory only.

    Raises:
        OSError: the file cannot be read or written.
        ValueError: the file is no bill.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, BillRow] = {row.id: row for row in _rows_in(path)} if path else {}
        self._last_number = max((int(name.removeprefix(_ID_START)) for name in self._rows), default=0)
        self._occurrences = Counter(row.request_sha256 for row in self._rows.values())
        self._file: BinaryIO | None = path.open("ab") if path else None

    def arrive(self, request_sha256: str) -> tuple[str, int]:
        """Note that a call has come.

        Returns:
            The call's id, and how many times its request has come, this time included.
        """
        with self._lock:
            self._last_number += 1
            self._occurrences[request_sha256] += 1
            return f"{_ID_START}{self._last_number:09}", self._occurrences[request_sha256]

    def enter(self, row: BillRow) -> None:
        """Put a row on the bill, in place of one with the same id.

        Raises:
            OSError: the file cannot be written.
        """
        with self._lock:
            self._enter(row)

    def mark(self, call_id: str, *, answer_sent: bool) -> None:
        """Say whether the answer to a call on the bill was sent.

        Raises:
            OSError: the file cannot be written.
        """
        with self._lock:
            self._enter(self._rows[call_id].model_copy(update={"answer_sent": answer_sent}))

    def statement(self) -> Statement:
        """The bill as it stands."""
        with self._lock:
            rows = tuple(sorted(self._rows.values(), key=lambda row: row.id))
        total = sum((row.billed_usd for row in rows), Decimal(0))
        return Statement(
            calls=len(rows),
            billed_calls=sum(row.billed_usd > 0 for row in rows),
            total_usd=total,
            rows=rows,
        )

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def _enter(self, row: BillRow) -> None:
        if self._file:
            # What the system has taken survives the end of the process; that of the machine is not our subject.
            self._file.write(row.model_dump_json().encode() + b"\n")
            self._file.flush()
        self._rows[row.id] = row


def _rows_in(path: Path) -> Iterable[BillRow]:
    """The rows of a file, without a last line that was cut off: its call was never answered."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)
    try:
        return [BillRow.model_validate_json(line) for line in data[:whole].splitlines()]
    except ValidationError as error:
        raise ValueError(f"{path} is no bill of this provider") from error

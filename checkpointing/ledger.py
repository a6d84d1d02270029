"""The ledger of one stage of one scan: every call that was paid for, or may have been.

`<scan>/ledger/<stage>/page_0007/` has one file per call, `<attempt>.<state>.<amount>.json` (`ledger_entry.py`). The
name holds the state and the amount in micro-dollars: a sum needs only the names, and a damaged file loses no money.

Nothing is ever deleted except the record of a call that cannot have been billed. Any process may take back a
`planned` call: to send it, its worker renames the file to `asked`, which fails when the file is gone. Ledgers of
older versions have no planned calls: their `asked` ones count as sent.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from checkpointing.atomic import make_folder, sync_folder, write_durably
from checkpointing.ledger_entry import Call, Line, State, file_name, parse_name, sent_calls
from checkpointing.money import Money
from checkpointing.regular_files import NotRegularFileError, read_regular
from checkpointing.storage_errors import StorageCheck, no_check

LEDGER_FOLDER = "ledger"
_PAGE = re.compile(r"page_(\d{4,})")


@dataclass(frozen=True, slots=True)
class Sums:
    """What a ledger adds up to.

    Attributes:
        spent: on answers, by page.
        open: the maximum that each call without an answer may cost, by attempt.
    """

    spent: dict[int, Money]
    open: dict[str, Money]

    @property
    def total(self) -> Money:
        """Return what was spent on all pages."""
        return Money.total(self.spent.values())


class Ledger:
    """The ledger of one stage of one scan, `<root>/<scan_id>/ledger/<stage>/`.

    Every method raises OSError where the storage failed.
    """

    def __init__(self, scan_dir: Path, stage: str, check: StorageCheck = no_check) -> None:
        self.path = scan_dir / LEDGER_FOLDER / stage
        self._scan_dir = scan_dir
        self._check = check

    def plan(self, call: Call) -> None:
        """Record durably that a call is to be made once the budget has room for it.

        Raises:
            OSError: the storage failed; the call must not be made.
        """
        self._check()
        make_folder(self._folder(call.page), within=self._scan_dir)
        self._write(call, State.PLANNED, call.most)

    def mark_asked(self, call: Call) -> bool:
        """Record durably that a planned call is made from now on, so that it may be billed.

        Return whether it may be made: not where the plan was taken back meanwhile.

        Raises:
            OSError: the storage failed; the call must not be made.
        """
        try:
            self._rename(call.page, call.attempt, State.PLANNED, State.ASKED, call.most)
        except FileNotFoundError:
            return False
        sync_folder(self._folder(call.page))
        return True

    def ask(self, call: Call) -> None:
        """Record durably that a call is made from now on, without a plan."""
        self.plan(call)
        self.mark_asked(call)

    def take_back_planned(self, page: int) -> list[str]:
        """Take back the planned calls for a page: their workers find the files gone and do not send them.

        Return their attempts. A call that its worker sent just now is not among them.
        """
        taken: list[str] = []
        for line in self._listed(page):
            if line.state is State.PLANNED:
                with suppress(FileNotFoundError):
                    self._path(*line).unlink()
                    taken.append(line.attempt)
        return taken

    def answer(self, call: Call) -> None:
        """Record an answer durably, before it is used.

        Raises:
            OSError: the storage failed; the call stays recorded as asked.
        """
        if not call.is_answered:
            raise ValueError("an answer must have a cost")
        self._write(call, State.ANSWERED, call.cost)
        self._path(call.page, call.attempt, State.ASKED, call.most).unlink(missing_ok=True)

    def withdraw(self, call: Call) -> None:
        """Delete the record of a call that cannot have been billed: it was not made, or was refused."""
        for state in (State.PLANNED, State.ASKED):
            self._path(call.page, call.attempt, state, call.most).unlink(missing_ok=True)

    def reject(self, call: Call) -> None:
        """Record that an answer is unusable; its cost stays counted.

        Raises:
            OSError: the storage failed; the answer may be read once more, and rejected once more.
        """
        self._rename(call.page, call.attempt, State.ANSWERED, State.REJECTED, call.cost)
        sync_folder(self._folder(call.page))

    def retire(self, pages: Iterable[int]) -> None:
        """Keep the answers of pages that are to be done again from being used again. Safe to repeat.

        Their cost stays counted.
        """
        for page in pages:
            usable = [line for line in self.lines(page) if line.state is State.ANSWERED]
            for line in usable:
                self._rename(page, line.attempt, State.ANSWERED, State.OLD, line.amount)
            if usable:
                sync_folder(self._folder(page))

    def usable(self, page: int, request_sha256: str) -> Call | None:
        """Return an answer to exactly this question that was paid for and not rejected."""
        for line in self.lines(page):
            call = self._read(line) if line.state is State.ANSWERED else None
            if call is not None and call.request_sha256 == request_sha256:
                return call
        return None

    def answered(self, page: int) -> list[Call]:
        """Return the calls for a page that were answered, used or not, except those whose file is damaged."""
        found = (self._read(line) for line in self._answers(page))
        return [call for call in found if call is not None]

    def lines(self, page: int) -> list[Line]:
        """Return the calls for a page that were sent, each once, in the order of their names."""
        return sent_calls(self._listed(page))

    def spent(self, page: int) -> Money:
        """Return what the answers for a page have cost, used or not."""
        return Money.total(line.amount for line in self._answers(page))

    def answers(self, page: int) -> int:
        """Return how many answers were paid for, for a page."""
        return len(self._answers(page))

    def pages(self) -> list[int]:
        """Return the pages that have calls, in order."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        return sorted(int(found[1]) for name in names if (found := _PAGE.fullmatch(name)))

    def all(self) -> Iterator[Line]:
        """Return the calls for all pages that were sent."""
        for page in self.pages():
            yield from self.lines(page)

    def calls(self, *states: State) -> Iterator[Call]:
        """Return the full records of the calls in these states, except those whose file is damaged."""
        for line in self.all():
            call = self._read(line) if line.state in states else None
            if call is not None:
                yield call

    def sums(self, *, take_back_planned: bool = False) -> Sums:
        """Return what the ledger adds up to; with `take_back_planned`, after taking back the planned calls."""
        sums = Sums({}, {})
        for page in self.pages():
            for line in self._recounted(page) if take_back_planned else self.lines(page):
                if line.state is State.ASKED:
                    sums.open[line.attempt] = line.amount
                else:
                    sums.spent[page] = sums.spent.get(page, Money()) + line.amount
        return sums

    def _recounted(self, page: int) -> list[Line]:
        """Return the calls for a page that were sent, after taking back the planned ones."""
        listed = self._listed(page)
        if any(line.state is State.PLANNED for line in listed):
            self.take_back_planned(page)
            # Read again: a worker may have sent its call first.
            listed = self._listed(page)
        return sent_calls(listed)

    def _answers(self, page: int) -> list[Line]:
        return [line for line in self.lines(page) if line.state is not State.ASKED]

    def _listed(self, page: int) -> list[Line]:
        try:
            names = sorted(os.listdir(self._folder(page)))
        except FileNotFoundError:
            return []
        return [line for name in names if (line := parse_name(page, name)) is not None]

    def _read(self, line: Line) -> Call | None:
        try:
            return Call.model_validate_json(read_regular(self._path(*line)))
        except (ValidationError, FileNotFoundError, NotRegularFileError):
            # Damaged, or rejected by another process just now.
            return None

    def _write(self, call: Call, state: State, amount: Money) -> None:
        self._check()
        path = self._path(call.page, call.attempt, state, amount)
        write_durably(path, call.model_dump_json().encode(), Call.model_validate_json)

    def _rename(self, page: int, attempt: str, old: State, new: State, amount: Money) -> None:
        self._path(page, attempt, old, amount).rename(self._path(page, attempt, new, amount))

    def _folder(self, page: int) -> Path:
        return self.path / f"page_{page:04d}"

    def _path(self, page: int, attempt: str, state: State, amount: Money) -> Path:
        return self._folder(page) / file_name(attempt, state, amount)


def ledger_stages(scan_dir: Path) -> list[str]:
    """Return the stages of a scan that have a ledger.

    Raises:
        OSError: the storage failed.
    """
    try:
        with os.scandir(scan_dir / LEDGER_FOLDER) as found:
            return sorted(entry.name for entry in found if entry.is_dir())
    except FileNotFoundError:
        return []

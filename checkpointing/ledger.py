"""The ledger of one stage of one scan: every call that was paid for, or may have been.

`<scan>/ledger/<stage>/page_0007/` has one file a call, `<attempt>.<state>.<amount>.json`. Its name tells how the
call stands and how much money that is, in micro-dollars with the provider's own decimals, so that a sum needs no
more than the names; a file that is damaged loses its words and no money.

| state      | the call                                                    | the amount           |
|------------|-------------------------------------------------------------|----------------------|
| `planned`  | waits for room in the budget; it was not sent               | the most it may cost |
| `asked`    | is being made, or never got an answer                       | the most it may cost |
| `answered` | was answered; the answer is there to be used                | its cost             |
| `rejected` | was answered, and the answer made no sense                  | its cost             |
| `old`      | was answered, and the page is to be done again all the same | its cost             |

`asked` is durable before the call is made, `answered` before the answer is looked at. Nothing is ever deleted but
the note of a call that cannot have been billed. Anyone may take back a note of a `planned` call at any time: to
send it its worker renames the note to `asked`, which fails when the note is gone. So a call is either not sent, or
noted as one that may have been billed. Ledgers of older versions have no planned calls: their `asked` ones count as
sent.
"""

import os
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, ValidationError

from checkpointing.atomic import make_folder, sync_folder, write_durably
from checkpointing.fields import PageNumber, Sha256, now
from checkpointing.money import MicroDollars, plain
from checkpointing.regular_files import NotRegularFileError, read_regular
from checkpointing.storage_errors import StorageCheck, no_check

LEDGER_FOLDER = "ledger"
_NAME = re.compile(r"(?P<attempt>[0-9a-f]{16,64})\.(?P<state>[a-z]+)\.(?P<amount>\d{1,15}(?:\.\d{1,12})?)\.json")
_PAGE = re.compile(r"page_(\d{4,})")

AttemptId = Annotated[str, Field(pattern=r"^[0-9a-f]{16,64}$")]


class State(StrEnum):
    """How a call stands."""

    PLANNED = "planned"
    ASKED = "asked"
    ANSWERED = "answered"
    REJECTED = "rejected"
    OLD = "old"


class Call(BaseModel):
    """One call, as its file has it.

    Attributes:
        request_sha256: of the whole question; the same question need not be paid for twice.
        most_micro: the most it may cost, in micro-dollars: what was reserved for it.
        cost_micro: what it cost, in micro-dollars; None while there is no answer.
        cost_source: who says so.
        usage: tokens by kind.
        answer: the provider's, as it came: the body of its response.
        seconds: until it was there.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: str = "1"
    attempt: AttemptId
    scan_id: str
    stage: str
    page: PageNumber
    provider: str
    model: str
    request_sha256: Sha256
    most_micro: NonNegativeInt
    asked_at: AwareDatetime = Field(default_factory=now)
    answered_at: AwareDatetime | None = None
    cost_micro: MicroDollars | None = None
    cost_source: str = ""
    usage: dict[str, NonNegativeInt] = {}
    seconds: NonNegativeFloat | None = None
    answer: str = ""

    @property
    def is_answered(self) -> bool:
        """Return whether the call has an answer, which it cost money for."""
        return self.cost_micro is not None


def new_attempt() -> str:
    """A name for a call that no other has."""
    return uuid.uuid4().hex


class Line(NamedTuple):
    """What the name of a call's file says.

    Attributes:
        page: which page the call was for.
        attempt: names the call.
        state: how it stands.
        micro: the amount, in micro-dollars.
    """

    page: int
    attempt: str
    state: State
    micro: Decimal


@dataclass(frozen=True, slots=True)
class Sums:
    """What a ledger adds up to, in micro-dollars.

    Attributes:
        spent: on answers, by page.
        open: the most that each call without an answer may cost, by attempt.
    """

    spent: dict[int, Decimal]
    open: dict[str, Decimal]

    @property
    def total(self) -> Decimal:
        """Spent on all pages."""
        return sum(self.spent.values(), Decimal(0))


class Ledger:
    """The ledger of one stage of one scan.

    Args:
        scan_dir: `<root>/<scan_id>`.
        stage: name of the stage.
        check: called before anything is written; raises where the storage is not the right one.
    """

    def __init__(self, scan_dir: Path, stage: str, check: StorageCheck = no_check) -> None:
        self.path = scan_dir / LEDGER_FOLDER / stage
        self._scan_dir = scan_dir
        self._check = check

    def plan(self, call: Call) -> None:
        """Note durably that a call is to be made, once the budget has room for it.

        Raises:
            OSError: the storage failed; the call must not be made.
        """
        self._check()
        make_folder(self._folder(call.page), within=self._scan_dir)
        self._write(call, State.PLANNED, call.most_micro)

    def mark_asked(self, call: Call) -> bool:
        """Note durably that a planned call is made from now on, so that it may be billed.

        Returns:
            Whether it may be made. False where the plan was taken back meanwhile.

        Raises:
            OSError: the storage failed; the call must not be made.
        """
        planned = self._path(call.page, call.attempt, State.PLANNED, call.most_micro)
        try:
            planned.rename(self._path(call.page, call.attempt, State.ASKED, call.most_micro))
        except FileNotFoundError:
            return False
        sync_folder(self._folder(call.page))
        return True

    def ask(self, call: Call) -> None:
        """Note durably that a call is made from now on, without a plan.

        Raises:
            OSError: the storage failed; the call must not be made.
        """
        self.plan(call)
        self.mark_asked(call)

    def take_back_planned(self, page: int) -> list[str]:
        """Take back the planned calls for a page: their workers find the notes gone and do not send them.

        Returns:
            The attempts that were taken back. A call that its worker sent just now is not among them.

        Raises:
            OSError: the storage failed.
        """
        taken: list[str] = []
        for line in self._listed(page):
            if line.state is State.PLANNED:
                with suppress(FileNotFoundError):
                    self._path(*line).unlink()
                    taken.append(line.attempt)
        return taken

    def answer(self, call: Call) -> None:
        """Note an answer durably, before anything is made of it.

        Raises:
            OSError: the storage failed; the call stays noted as asked.
        """
        if call.cost_micro is None:
            raise ValueError("an answer has a cost")
        self._write(call, State.ANSWERED, call.cost_micro)
        self._path(call.page, call.attempt, State.ASKED, call.most_micro).unlink(missing_ok=True)

    def withdraw(self, call: Call) -> None:
        """Forget a call that cannot have been billed: it was not made, or refused.

        Raises:
            OSError: the storage failed; the note stays, which costs nobody anything.
        """
        for state in (State.PLANNED, State.ASKED):
            self._path(call.page, call.attempt, state, call.most_micro).unlink(missing_ok=True)

    def reject(self, call: Call) -> None:
        """Note that an answer is not to be used; what it cost stays counted.

        Raises:
            OSError: the storage failed; the answer may be looked at once more, and rejected once more.
        """
        amount = call.cost_micro or 0
        answered = self._path(call.page, call.attempt, State.ANSWERED, amount)
        answered.rename(self._path(call.page, call.attempt, State.REJECTED, amount))
        sync_folder(self._folder(call.page))

    def retire(self, pages: Iterable[int]) -> None:
        """See that the answers of pages that are to be done again are not used again; their cost stays counted.

        Raises:
            OSError: the storage failed; saying it again does the rest.
        """
        for page in pages:
            usable = [line for line in self.lines(page) if line.state is State.ANSWERED]
            for line in usable:
                self._path(*line).rename(self._path(*line._replace(state=State.OLD)))
            if usable:
                sync_folder(self._folder(page))

    def usable(self, page: int, request_sha256: str) -> Call | None:
        """An answer to that very question that was paid for and not rejected.

        Raises:
            OSError: the storage failed.
        """
        for line in self.lines(page):
            call = self._read(line) if line.state is State.ANSWERED else None
            if call is not None and call.request_sha256 == request_sha256:
                return call
        return None

    def answered(self, page: int) -> list[Call]:
        """The calls for a page that were answered, used or not; those whose file is damaged are left out.

        Raises:
            OSError: the storage failed.
        """
        found = (self._read(line) for line in self.lines(page) if line.state is not State.ASKED)
        return [call for call in found if call is not None]

    def lines(self, page: int) -> list[Line]:
        """The calls for a page that were sent, each once, in the order of their names.

        Raises:
            OSError: the storage failed.
        """
        return _sent(self._listed(page))

    def spent(self, page: int) -> Decimal:
        """What the answers for a page have cost, used or not, in micro-dollars.

        Raises:
            OSError: the storage failed.
        """
        spent = (line.micro for line in self.lines(page) if line.state is not State.ASKED)
        return sum(spent, Decimal(0))

    def answers(self, page: int) -> int:
        """How many answers were paid for, for a page.

        Raises:
            OSError: the storage failed.
        """
        return sum(line.state is not State.ASKED for line in self.lines(page))

    def pages(self) -> list[int]:
        """The pages that calls were noted for, in order.

        Raises:
            OSError: the storage failed.
        """
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        return sorted(int(found[1]) for name in names if (found := _PAGE.fullmatch(name)))

    def all(self) -> Iterator[Line]:
        """The calls for all pages that were sent.

        Raises:
            OSError: the storage failed.
        """
        for page in self.pages():
            yield from self.lines(page)

    def calls(self, *states: State) -> Iterator[Call]:
        """The calls that stand so, with all that is known of them; those whose file is damaged are left out.

        Raises:
            OSError: the storage failed.
        """
        for line in self.all():
            call = self._read(line) if line.state in states else None
            if call is not None:
                yield call

    def sums(self, *, take_back_planned: bool = False) -> Sums:
        """What it all adds up to.

        Args:
            take_back_planned: whether planned calls are taken back on the way.

        Raises:
            OSError: the storage failed.
        """
        sums = Sums({}, {})
        for page in self.pages():
            for line in self._recounted(page) if take_back_planned else self.lines(page):
                if line.state is State.ASKED:
                    sums.open[line.attempt] = line.micro
                else:
                    sums.spent[page] = sums.spent.get(page, Decimal(0)) + line.micro
        return sums

    def _recounted(self, page: int) -> list[Line]:
        """The calls for a page that were sent, after those that were not were taken back."""
        listed = self._listed(page)
        if any(line.state is State.PLANNED for line in listed):
            self.take_back_planned(page)
            # A worker that was quicker has sent its call.
            listed = self._listed(page)
        return _sent(listed)

    def _listed(self, page: int) -> list[Line]:
        try:
            names = sorted(os.listdir(self._folder(page)))
        except FileNotFoundError:
            return []
        return [line for name in names if (line := _parse(page, name)) is not None]

    def _read(self, line: Line) -> Call | None:
        try:
            return Call.model_validate_json(read_regular(self._path(*line)))
        except (ValidationError, FileNotFoundError, NotRegularFileError):
            # Damaged; or somebody has rejected it just now.
            return None

    def _write(self, call: Call, state: State, amount: Decimal | int) -> None:
        self._check()
        path = self._path(call.page, call.attempt, state, amount)
        write_durably(path, call.model_dump_json().encode(), Call.model_validate_json)

    def _folder(self, page: int) -> Path:
        return self.path / f"page_{page:04d}"

    def _path(self, page: int, attempt: str, state: State, amount: Decimal | int) -> Path:
        return self._folder(page) / f"{attempt}.{state}.{plain(Decimal(amount))}.json"


def ledger_stages(scan_dir: Path) -> list[str]:
    """The stages of a scan that have a ledger.

    Raises:
        OSError: the storage failed.
    """
    try:
        with os.scandir(scan_dir / LEDGER_FOLDER) as found:
            return sorted(entry.name for entry in found if entry.is_dir())
    except FileNotFoundError:
        return []


def _sent(listed: Iterable[Line]) -> list[Line]:
    found = [line for line in listed if line.state is not State.PLANNED]
    # A worker that died between the answer and the end of the question left both.
    answered = {line.attempt for line in found if line.state is not State.ASKED}
    return [line for line in found if line.state is not State.ASKED or line.attempt not in answered]


def _parse(page: int, name: str) -> Line | None:
    found = _NAME.fullmatch(name)
    if found is None or found["state"] not in set(State):
        return None
    return Line(page, found["attempt"], State(found["state"]), Decimal(found["amount"]))

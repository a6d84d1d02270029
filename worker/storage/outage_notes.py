"""Record models that do not answer: one small file for each stage, on shared storage.

`producer status` reads only files, and the state of the circuit breaker is in Redis. So each reconciler copies the
state for the models of its stages to `.leafmark/trouble/<stage>.json`, and removes the file when the model answers
again. A file that has not been refreshed for three minutes is ignored.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, PositiveInt, ValidationError

from checkpointing.atomic import remove_orphans, write_durably
from checkpointing.fields import OpenModel, now
from checkpointing.plurals import counted
from checkpointing.regular_files import read_regular
from checkpointing.storage_errors import StorageCheck, no_check
from worker.storage.open_stages import OWN_FOLDER

if TYPE_CHECKING:
    from worker.llm.circuit_breaker import Silence

# One failure among many answers is not reported; a model that is silent for this long is.
_MIN_COUNT = 3
_MIN_SECONDS = 5.0
_REWRITE_SECONDS = 5.0
_REFRESH_SECONDS = 60.0
_OLD = timedelta(seconds=180)
_A_WHILE = timedelta(seconds=90)


class Trouble(OpenModel):
    """A model that does not answer.

    Attributes:
        said: why the last call failed.
        count: number of failed calls since the last answer.
        since: time of the first of them.
        last: time of the last of them.
        seen_at: when the state was last read from the circuit breaker.
    """

    provider: str
    model: str
    said: str
    count: PositiveInt
    since: AwareDatetime
    last: AwareDatetime
    seen_at: AwareDatetime

    def words(self) -> str:
        """Return a summary: `127.0.0.1 says 500: ..., 12 times since 19:23`, in the local time zone.

        If the last failure is more than 90 seconds old, its time is included: a slow call may be in progress since.
        """
        words = f"{self.said}, {counted(self.count, 'time')} since {_clock(self.since)}"
        return words if self.seen_at - self.last < _A_WHILE else f"{words}, last at {_clock(self.last)}"


class OutageNotes:
    """The files of one storage root."""

    def __init__(self, root: Path, check: StorageCheck = no_check) -> None:
        self._check = check
        self._folder = root / OWN_FOLDER / "trouble"

    def update(self, stage: str, provider: str, model: str, silence: "Silence | None") -> None:
        """Write a note about the model of a stage that does not answer, or remove it if the model answers.

        `silence` is None while the model answers.

        Raises:
            OSError: the storage failed.
        """
        path = self._path(stage)
        if silence is None:
            path.unlink(missing_ok=True)
            return
        if silence.count < _MIN_COUNT and silence.seconds < _MIN_SECONDS:
            return
        moment = now()
        trouble = Trouble(
            provider=provider,
            model=model,
            said=silence.said,
            count=silence.count,
            since=datetime.fromtimestamp(silence.since, UTC),
            last=datetime.fromtimestamp(silence.last, UTC),
            seen_at=moment,
        )
        if self._is_written(stage, trouble):
            return
        self._check()
        # Never create the root itself: if it is missing, a share is not mounted.
        self._folder.mkdir(exist_ok=True)
        remove_orphans(self._folder)
        write_durably(path, trouble.model_dump_json().encode(), Trouble.model_validate_json)

    def of(self, stage: str) -> Trouble | None:
        """Return the outage of the model of a stage; None if there is none."""
        trouble = self._read(stage)
        return trouble if trouble is not None and abs(now() - trouble.seen_at) < _OLD else None

    def _is_written(self, stage: str, trouble: Trouble) -> bool:
        """Return whether a note like this one was written recently, by this machine or another."""
        written = self._read(stage)
        if written is None:
            return False
        age = abs((trouble.seen_at - written.seen_at).total_seconds())
        same = written.model_copy(update={"seen_at": trouble.seen_at}) == trouble
        return age < (_REFRESH_SECONDS if same else _REWRITE_SECONDS)

    def _read(self, stage: str) -> Trouble | None:
        try:
            return Trouble.model_validate_json(read_regular(self._path(stage)))
        except (OSError, ValidationError):
            return None

    def _path(self, stage: str) -> Path:
        return self._folder / f"{stage}.json"


def _clock(moment: datetime) -> str:
    """Return a time in the local time zone, with the date if it is not today."""
    there = moment.astimezone()
    return f"{there:%H:%M}" if there.date() == now().astimezone().date() else f"{there:%Y-%m-%d %H:%M}"

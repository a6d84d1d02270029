"""Ask all workers at once for their version, settings and clock, and collect the answers that arrive in time."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from checkpointing.atomic import make_folder, write_durably
from checkpointing.errors import in_one_line
from worker.queue.broker_errors import broker_calls
from worker.storage.open_stages import OWN_FOLDER
from worker.storage.root_marker import NotALibraryError, library_at
from worker.worker_info import INTRODUCE, Introduction, token_path

ANSWER_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one worker.

    Attributes:
        said: its introduction; None if its answer is not one, as that of an older version.
        trouble: what it answered, if `said` is None.
        ahead_seconds: minimum difference between its clock and the clock of this machine; 0 if they may agree,
            negative if it is behind.
    """

    name: str
    said: Introduction | None
    trouble: str = ""
    ahead_seconds: float = 0.0


def ask_workers(app: Any, token: str, seconds: float = ANSWER_SECONDS) -> list[Answer]:
    """Return the answers of the workers that answer in time, sorted by name.

    The token names the file that the workers look for in their storage.

    Raises:
        BrokerError: the broker failed.
    """
    answers: list[Answer] = []
    asked_at = time.time()

    def collect(reply: Any) -> None:
        heard_at = time.time()
        for name, form in reply.items() if isinstance(reply, dict) else ():
            answers.append(_answer(in_one_line(str(name)), form, asked_at, heard_at))

    with broker_calls():
        app.control.broadcast(INTRODUCE, arguments={"token": token}, reply=True, timeout=seconds, callback=collect)
    return sorted(answers, key=lambda answer: answer.name)


@contextmanager
def token_file(root: Path) -> Iterator[str]:
    """Create a small file in the storage for the length of a `with` block, for workers to look for.

    Yields its token. If the storage root is not a library yet, nothing is written and the token is empty.

    Raises:
        OSError: the storage failed.
    """
    token = secrets.token_hex(8)
    path = token_path(root, token)
    try:
        library_at(root).check()
    except NotALibraryError:
        yield ""
        return
    make_folder(root / OWN_FOLDER)
    try:
        write_durably(path, token.encode(), bytes)
        yield token
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _answer(name: str, form: Any, asked_at: float, heard_at: float) -> Answer:
    try:
        said = Introduction.model_validate(form)
    except ValidationError:
        trouble = form.get("error") if isinstance(form, dict) else form
        return Answer(name, None, in_one_line(str(trouble), most=100))
    ahead = max(0.0, said.clock - heard_at) or min(0.0, said.clock - asked_at)
    return Answer(name, said, ahead_seconds=ahead)

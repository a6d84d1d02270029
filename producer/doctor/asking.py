"""Asking the workers who they are: one question to all of them at once, and whoever answers in time is there."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
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
    """What one worker said.

    Attributes:
        name: of the worker, as Celery has it.
        said: its introduction; None where it does not understand the question.
        trouble: then, what it said instead.
        ahead_seconds: how far its clock is ahead of ours at the least; 0 where it may agree.
    """

    name: str
    said: Introduction | None
    trouble: str = ""
    ahead_seconds: float = 0.0


@dataclass(slots=True)
class _Listener:
    """Takes the answers as they come, and notes when: the clock of each is compared with that."""

    asked_at: float
    answers: list[Answer] = field(default_factory=list)

    def __call__(self, reply: Any) -> None:
        heard_at = time.time()
        for name, form in reply.items() if isinstance(reply, dict) else ():
            self.answers.append(_answer(in_one_line(str(name)), form, self.asked_at, heard_at))


def ask_workers(app: Any, token: str, seconds: float = ANSWER_SECONDS) -> list[Answer]:
    """What each worker says that answers in time, by name.

    Args:
        app: the Celery application.
        token: of the file that they are to look for.
        seconds: how long to wait for answers.

    Raises:
        BrokerError: the broker failed.
    """
    listener = _Listener(time.time())
    asked = {"token": token}
    with broker_calls():
        app.control.broadcast(INTRODUCE, arguments=asked, reply=True, timeout=seconds, callback=listener)
    return sorted(listener.answers, key=lambda answer: answer.name)


@contextmanager
def token_file(root: Path) -> Iterator[str]:
    """A small file in the storage that a worker can look for, for the length of a `with` block.

    Yields its token; where the storage root is not a library yet nothing is written, and the token is empty.

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

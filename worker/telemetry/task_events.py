"""What Flower is told about page tasks.

A page task never fails for Celery: it says what became of the page, and its message is done with. So Flower would
show a page that was given up, and one that is tried again, as a success. The events are therefore sent by what
became of the page; what Celery does with the message stays as it is.
"""

from typing import Any

from celery.worker.request import Request

from worker.pipeline.process_page import Outcome
from worker.queue.messages import REFUSED

_DONE = frozenset({Outcome.COMPLETE.value, Outcome.ALREADY_COMPLETE.value})
_CRASHED = "crashed: its process ended or was ended; the message goes back to the queue"
_GIVEN_UP = frozenset({Outcome.QUARANTINED.value, REFUSED})


def shown(result: str) -> tuple[str, dict[str, str]]:
    """The event that tells of a page task's end, and what it carries besides that end.

    Args:
        result: as `worker.tasks.process` returns it, `OUTCOME` or `OUTCOME: why`, the way Celery's events quote it.

    Returns:
        `task-succeeded` for a page that is complete, `task-failed` for one that was given up, and `task-retried`
        for one that is neither: another message brings it again. Flower searches `result`, and not `exception`.
    """
    text = _unquoted(result)
    outcome = text.partition(":")[0]
    if outcome in _DONE:
        return "task-succeeded", {"result": text}
    return "task-failed" if outcome in _GIVEN_UP else "task-retried", {"result": text, "exception": text}


def _unquoted(text: str) -> str:
    """Celery quotes a string as Python does, apart from backslashes."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("\\'", "'")
    return text


class PageRequest(Request):  # type: ignore[misc]  # Celery publishes no types
    """A message under way in a worker's main process; Celery makes one for each page task."""

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002  # the name is Celery's
        """Send an event about the task, if anybody wants them."""
        # That this worker lives is sent all the time, and so the dispatcher is on. No groups stand for all of them.
        if self._eventer and (not self._eventer.groups or "task" in self._eventer.groups):
            type, fields = self._told(type, fields)  # noqa: A001  # the same
            super().send_event(type, **fields)

    def _told(self, kind: str, fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """An event as it is told instead of Celery's."""
        if kind == "task-succeeded":
            kind, about_page = shown(str(fields["result"]))
            # Whoever began to look in the middle of the page has not been told which it is.
            return kind, {**fields, **about_page, "name": self.name, "kwargs": self.kwargsrepr}
        if kind == "task-rejected" and fields.get("requeue") and self.time_start:
            # Celery would show it as started, for ever.
            return "task-retried", {"result": _CRASHED, "exception": _CRASHED}
        return kind, fields

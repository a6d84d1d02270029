"""Task events for Flower that follow the outcome of the page.

For Celery a page task never fails: it returns the outcome of the page, and its message is acknowledged. Flower
would show a page in quarantine, or a page that is tried again, as a success. So the event is chosen by the outcome,
while Celery handles the message as usual.
"""

from typing import Any

from celery.worker.request import Request

from worker.queue.messages import REFUSED, Outcome

_DONE = frozenset({Outcome.COMPLETE.value, Outcome.ALREADY_COMPLETE.value})
_CRASHED = "crashed: its process ended or was ended; the message goes back to the queue"
_GIVEN_UP = frozenset({Outcome.QUARANTINED.value, REFUSED})


def shown(result: str) -> tuple[str, dict[str, str]]:
    """Return type and fields of the event at the end of a page task.

    Args:
        result: what `worker.tasks.process` returned, `OUTCOME` or `OUTCOME: why`, as Celery's events quote it.

    Returns:
        `task-succeeded` for a complete page, `task-failed` for a page in quarantine or a refused message, and
        `task-retried` for the rest, which another message brings again. Flower searches `result`, not `exception`.
    """
    text = _unquoted(result)
    outcome = text.partition(":")[0]
    if outcome in _DONE:
        return "task-succeeded", {"result": text}
    return "task-failed" if outcome in _GIVEN_UP else "task-retried", {"result": text, "exception": text}


def _unquoted(text: str) -> str:
    """Undo Celery's quotes, which are Python's apart from backslashes."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("\\'", "'")
    return text


class PageRequest(Request):  # type: ignore[misc]  # Celery publishes no types
    """A message in a worker's main process; Celery makes one for each page task."""

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002  # the name is Celery's
        """Send an event about the task, if task events are on."""
        # The dispatcher is always on, because it sends heartbeats. An empty set of groups means all groups.
        if self._eventer and (not self._eventer.groups or "task" in self._eventer.groups):
            kind = type
            if kind == "task-succeeded":
                kind, about_page = shown(str(fields["result"]))
                # A Flower that was started in the middle of the page did not get the event that names it.
                fields |= {**about_page, "name": self.name, "kwargs": self.kwargsrepr}
            elif kind == "task-rejected" and fields.get("requeue") and self.time_start:
                # Celery would show it as started, for ever.
                kind, fields = "task-retried", {"result": _CRASHED, "exception": _CRASHED}
            super().send_event(kind, **fields)

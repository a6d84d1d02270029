"""The id of a run: it follows what one `producer enqueue` asked for through the workers to the checkpoint.

It is a W3C trace context as in a `traceparent` header, so that logs and traces share it: a trace id of 32 hex
digits, by which the log lines of a run are found, and the span id of the enqueue, of 16. It is created whether or
not tracing is on.
"""

import re
import secrets
from typing import Annotated

from pydantic import AfterValidator

_RUN = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]")
_TRACE = slice(3, 35)


def new_run() -> str:
    """Return the id of a new run."""
    return _with_new_span(secrets.token_hex(16))


def same_run(run: str) -> str:
    """Return an id for another stage of the same run: the same trace id with a new span id."""
    return _with_new_span(trace_id_of(run))


def run_in(found: object) -> str:
    """Return a run's id from a value of unknown origin; empty if it is not one."""
    text = found.decode(errors="replace") if isinstance(found, bytes) else found
    return text if isinstance(text, str) and _RUN.fullmatch(text) else ""


def trace_id_of(run: str) -> str:
    """Return the part of a run's id that log lines show; empty for an empty id."""
    return run[_TRACE]


def _check_run(text: str) -> str:
    if not run_in(text):
        raise ValueError("it is not a W3C trace context")
    return text


Run = Annotated[str, AfterValidator(_check_run)]


def _with_new_span(trace_id: str) -> str:
    # The flag 01 allows tracing. An id of zeros is invalid, but too unlikely to be drawn.
    return f"00-{trace_id}-{secrets.token_hex(8)}-01"

"""The id of a run: what one `producer enqueue` asked for, from there through the workers to the checkpoint.

It is a W3C trace context as it stands in a `traceparent` header, so that logs and traces share it: a trace id of 32
hex digits, by which the lines of a run are found, and the id of the enqueue's own span of 16. It is made whether
or not anything is traced.
"""

import re
import secrets
from typing import Annotated

from pydantic import AfterValidator

_RUN = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]")
_TRACE = slice(3, 35)


def new_run() -> str:
    """The id of a new run."""
    return _with_new_span(secrets.token_hex(16))


def same_run(run: str) -> str:
    """An id for another stage of the same run: its trace id, and a span of its own."""
    return _with_new_span(trace_id_of(run))


def run_in(found: object) -> str:
    """A run's id that was found where anybody may have written; empty where it is none."""
    text = found.decode(errors="replace") if isinstance(found, bytes) else found
    return text if isinstance(text, str) and _RUN.fullmatch(text) else ""


def trace_id_of(run: str) -> str:
    """The part of a run's id that log lines show; empty for none."""
    return run[_TRACE]


def _insist_on_run(text: str) -> str:
    if not run_in(text):
        raise ValueError("it is no W3C trace context")
    return text


Run = Annotated[str, AfterValidator(_insist_on_run)]


def _with_new_span(trace_id: str) -> str:
    # The flags say that whoever traces may trace this. A zero id, which is none, would be drawn once in an age.
    return f"00-{trace_id}-{secrets.token_hex(8)}-01"

"""Spans from the enqueue through pages and paid calls to the commit.

Only the API of OpenTelemetry is imported here. While tracing is off, which is the default, no span is made.
`LEAFMARK_TRACING=true` loads the SDK (`worker.telemetry.tracing_sdk`), which sends the spans.
"""

import atexit
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from checkpointing.errors import SettingsError
from worker.config.settings import Settings

STOP_SECONDS = 3.0
_SDK = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http", "opentelemetry.instrumentation.celery")
_KINDS = {"enqueue": SpanKind.PRODUCER, "call model": SpanKind.CLIENT}
# Names by OpenTelemetry's conventions; all other attributes get `leafmark.` before their names.
_NAMES = {
    "model": "gen_ai.request.model",
    "provider": "gen_ai.provider.name",
    "tokens_in": "gen_ai.usage.input_tokens",
    "tokens_out": "gen_ai.usage.output_tokens",
}
_w3c = TraceContextTextMapPropagator()

Value = str | int | float | None
"""Value of an attribute; None is left out."""
new_span_id: ContextVar[str] = ContextVar("new_span_id", default="")
"""Id that the next span of this context gets, in the form of a run's id; empty for a random one."""


class _State:
    """The SDK's tracer provider of this process. Its thread does not survive a fork, so a child needs its own."""

    provider: Any = None
    pid = 0
    stopping = threading.Event()
    last_spans = threading.Thread()


def check(settings: Settings) -> None:
    """Check that the SDK is installed if tracing is on, without importing it.

    Raises:
        SettingsError: it is not installed.
    """
    with suppress(ModuleNotFoundError):
        if not settings.tracing or all(map(find_spec, _SDK)):
            return
    raise SettingsError("LEAFMARK_TRACING is set and OpenTelemetry is missing: pip install 'leafmark[otel]'")


def start(settings: Settings, part: str) -> None:
    """Trace this process from now on, if tracing is on. Safe to repeat.

    The environment variables `OTEL_...` say where the spans go. `part` is the part of Leafmark that this process
    is: `producer`, `worker` or `reconciler`.

    Raises:
        SettingsError: the SDK is not installed.
    """
    if not settings.tracing or (_State.provider is not None and _State.pid == os.getpid()):
        return
    check(settings)
    use(import_module("worker.telemetry.tracing_sdk").start(part))
    # Pool processes do not run this; Celery's signal stops them.
    atexit.register(stop)


def use(provider: Any) -> None:
    """Make the spans of this process with a tracer provider of the SDK."""
    _State.provider, _State.pid = provider, os.getpid()
    _State.stopping = stopping = threading.Event()

    def send_last_spans() -> None:
        stopping.wait()
        provider.shutdown()

    # It waits from the beginning: from Python 3.12 on no thread can be started while the process ends.
    _State.last_spans = threading.Thread(target=send_last_spans, name="last-spans", daemon=True)
    _State.last_spans.start()


def stop() -> None:
    """Send the last spans and stop tracing. A collector that is away delays this by a few seconds at most."""
    provider, _State.provider = _State.provider, None
    if provider is not None and _State.pid == os.getpid():
        _State.stopping.set()
        _State.last_spans.join(STOP_SECONDS)


@contextmanager
def span(name: str, *, identity: str = "", parent: str = "", **attributes: Value) -> Iterator[Span]:
    """Make a span that lasts as long as a `with` block.

    `identity` is the id of the run that begins with the span, which gets this very id. `parent` is that of the run
    that it is part of, unless it is inside another span of this process. `named` makes attributes known later.
    """
    if _State.provider is None:
        yield trace.INVALID_SPAN
        return
    token = new_span_id.set(identity)
    try:
        begun = _State.provider.get_tracer("leafmark").start_span(
            name,
            context=_parent(identity, parent),
            kind=_KINDS.get(name, SpanKind.INTERNAL),
            attributes=named(**attributes),
        )
    finally:
        new_span_id.reset(token)
    with trace.use_span(begun, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield begun
        except BaseException as error:
            set_error(begun, error)
            raise


def record(
    name: str, seconds: float, *, runs: Sequence[str] = (), error: Exception | None = None, **attributes: Value
) -> None:
    """Make a span of work that has just ended and took so many seconds.

    Work for one run is part of it; work for several is linked to all. Of an error only its class is recorded.
    """
    if _State.provider is None:
        return
    ended = time.time_ns()
    contexts = [_context(run) for run in runs]
    made = _State.provider.get_tracer("leafmark").start_span(
        name,
        context=contexts[0] if len(contexts) == 1 else None,
        kind=_KINDS.get(name, SpanKind.INTERNAL),
        attributes=named(**attributes),
        links=[trace.Link(trace.get_current_span(each).get_span_context()) for each in contexts],
        start_time=ended - int(seconds * 1e9),
    )
    if error is not None:
        set_error(made, error)
    made.end(ended)


def named(**attributes: Value) -> dict[str, str | int | float]:
    """Return attributes under the names that a span has for them."""
    return {_NAMES.get(name, f"leafmark.{name}"): value for name, value in attributes.items() if value is not None}


def run_of(begun: Span) -> str:
    """Return a span's id in the form of a run's id; empty while nothing is traced."""
    carrier: dict[str, str] = {}
    _w3c.inject(carrier, trace.set_span_in_context(begun))
    return carrier.get("traceparent", "")


def set_error(failed: Span, error: BaseException) -> None:
    """Record the class of an error, and not its text, which may quote a page or a server."""
    failed.set_attribute("error.type", type(error).__name__)
    failed.set_status(StatusCode.ERROR)


def _context(run: str) -> Context:
    return _w3c.extract({"traceparent": run})


def _parent(identity: str, parent: str) -> Context | None:
    """Return what a span is part of; None for the span that this thread is in."""
    if identity:
        return Context()
    # Celery's span of the task is part of the run already.
    inside = trace.get_current_span().get_span_context().is_valid
    return None if inside or not parent else _context(parent)

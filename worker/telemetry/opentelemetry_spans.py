"""Spans by OpenTelemetry, sent over OTLP/HTTP to where the environment variables `OTEL_...` say.

The only module that imports OpenTelemetry; `worker.telemetry.tracing` imports it where traces are wanted. Each
process has one tracer provider: the thread that sends spans does not live through a fork.
"""

import atexit
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from checkpointing.identity import process_name
from worker.telemetry.tracing import Span, Value

_STOP_SECONDS = 3.0
_KINDS = {"enqueue": SpanKind.PRODUCER, "call model": SpanKind.CLIENT}
# What others call these; the rest gets our own name before it.
_NAMES = {
    "model": "gen_ai.request.model",
    "provider": "gen_ai.provider.name",
    "tokens_in": "gen_ai.usage.input_tokens",
    "tokens_out": "gen_ai.usage.output_tokens",
}
_w3c = TraceContextTextMapPropagator()
# The id that the next span of this context gets, as a run's.
_identity: ContextVar[str] = ContextVar("_identity", default="")


def start(part: str) -> "OpenTelemetrySpans":
    """Make and send the spans of this process.

    Args:
        part: of Leafmark: `worker` has Celery's own spans around ours.
    """
    # Its timeouts, headers and address come from the environment, as do the sampler and the sizes of batches.
    spans = OpenTelemetrySpans(part, BatchSpanProcessor(OTLPSpanExporter()))
    if part == "worker":
        instrument_celery(spans.provider)
    _stop_at_exit(spans)
    return spans


def _stop_at_exit(spans: "OpenTelemetrySpans") -> None:
    """Send what is left when this process ends. Celery tells the processes of a pool, which do not come to this.

    From Python 3.12 on no thread can be started at that time: the one that sends waits from the beginning.
    """
    exiting = threading.Event()

    def send_last() -> None:
        exiting.wait()
        spans.provider.shutdown()

    sending = threading.Thread(target=send_last, name="last-spans", daemon=True)
    sending.start()

    def stop() -> None:
        exiting.set()
        sending.join(_STOP_SECONDS)

    atexit.register(stop)


def instrument_celery(provider: TracerProvider) -> "_CeleryInstrumentor":
    """Have Celery's tasks make spans: children of the run that their messages name."""
    instrumentor = _CeleryInstrumentor()
    # Without figures: Leafmark has its own.
    instrumentor.instrument(tracer_provider=provider, meter_provider=NoOpMeterProvider())
    return instrumentor


class _CeleryInstrumentor(CeleryInstrumentor):
    """The usual one, but that it keeps to itself what an error says: that may quote a page."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # it publishes no type for that

    @staticmethod
    def _trace_failure(*_: Any, **failure: Any) -> None:
        _blame(trace.get_current_span(), failure["exception"])


class OpenTelemetrySpans:
    """Makes spans and hands them to a processor.

    Args:
        part: of Leafmark; named in `service.name`, unless the environment names something else.
        processor: sends them.
    """

    def __init__(self, part: str, processor: SpanProcessor) -> None:
        about = {"service.name": f"leafmark-{part}", "service.instance.id": process_name()}
        if "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
            del about["service.name"]
        # Ended by `stop`, which does not wait as long.
        self.provider = TracerProvider(resource=Resource.create(about), id_generator=_Ids(), shutdown_on_exit=False)
        self.provider.add_span_processor(processor)
        self._tracer = self.provider.get_tracer("leafmark")

    def span(self, name: str, identity: str, parent: str, attributes: dict[str, Value]) -> Iterator[Span]:
        """A span while the generator waits."""
        token = _identity.set(identity)
        try:
            begun = self._tracer.start_span(
                name,
                context=_parent(identity, parent),
                kind=_KINDS.get(name, SpanKind.INTERNAL),
                attributes=_named(attributes),
            )
        finally:
            _identity.reset(token)
        with trace.use_span(begun, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield _Begun(begun)
            except BaseException as error:
                _blame(begun, error)
                raise

    def record(
        self,
        name: str,
        seconds: float,
        runs: Sequence[str],
        error: Exception | None,
        attributes: dict[str, Value],
    ) -> None:
        """A span that has ended."""
        ended = time.time_ns()
        contexts = [_context(run) for run in runs]
        made = self._tracer.start_span(
            name,
            # Work for one run is part of it; work for several is part of none, and names them all.
            context=contexts[0] if len(contexts) == 1 else None,
            kind=_KINDS.get(name, SpanKind.INTERNAL),
            attributes=_named(attributes),
            links=[trace.Link(trace.get_current_span(each).get_span_context()) for each in contexts],
            start_time=ended - int(seconds * 1e9),
        )
        if error is not None:
            _blame(made, error)
        made.end(ended)

    def stop(self) -> None:
        """Send what is left, for a few seconds at the most: a collector that is away must not hold up an end."""
        sending = threading.Thread(target=self.provider.shutdown, name="last-spans", daemon=True)
        sending.start()
        sending.join(_STOP_SECONDS)


class _Begun:
    def __init__(self, begun: trace.Span) -> None:
        self._span = begun
        carrier: dict[str, str] = {}
        _w3c.inject(carrier, trace.set_span_in_context(begun))
        # None where OTEL_SDK_DISABLED is set.
        self.run = carrier.get("traceparent", "")

    def set(self, **attributes: Value) -> None:
        self._span.set_attributes(_named(attributes))


class _Ids(RandomIdGenerator):
    """Random ids, but for the span that a run begins with."""

    def generate_trace_id(self) -> int:
        run = _identity.get()
        return int(run.split("-")[1], 16) if run else super().generate_trace_id()

    def generate_span_id(self) -> int:
        run = _identity.get()
        return int(run.split("-")[2], 16) if run else super().generate_span_id()


def _context(run: str) -> Context:
    return _w3c.extract({"traceparent": run})


def _parent(identity: str, parent: str) -> Context | None:
    """What a span is part of; None for the one that this thread is in."""
    if identity:
        return Context()
    # Celery's span of the task is part of the run already.
    inside = trace.get_current_span().get_span_context().is_valid
    return None if inside or not parent else _context(parent)


def _named(attributes: dict[str, Value]) -> dict[str, str | int | float]:
    return {_NAMES.get(name, f"leafmark.{name}"): value for name, value in attributes.items() if value is not None}


def _blame(failed: trace.Span, error: BaseException) -> None:
    """Say what kind of error it was, and not what it says: that may quote a page or a server."""
    failed.set_attribute("error.type", type(error).__name__)
    failed.set_status(StatusCode.ERROR)

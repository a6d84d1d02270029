"""Sets up the SDK of OpenTelemetry: sends spans over OTLP/HTTP to where the environment variables `OTEL_...` say.

`worker.telemetry.tracing` imports this module if tracing is on.
"""

import os
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from checkpointing.identity import process_name
from worker.telemetry.tracing import new_span_id, set_error


def start(part: str) -> TracerProvider:
    """Return a provider that sends the spans of this process; in a `worker` Celery's own spans surround those."""
    # The environment has its timeouts, headers and address, the sampler and the sizes of batches.
    provider = make_provider(part, BatchSpanProcessor(OTLPSpanExporter()))
    if part == "worker":
        instrument_celery(provider)
    return provider


def make_provider(part: str, processor: SpanProcessor) -> TracerProvider:
    """Return a tracer provider whose `service.name` is the part of Leafmark, unless the environment has another."""
    about = {"service.name": f"leafmark-{part}", "service.instance.id": process_name()}
    if "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        del about["service.name"]
    # `tracing.stop` shuts it down, and does not wait as long.
    provider = TracerProvider(resource=Resource.create(about), id_generator=_Ids(), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider


def instrument_celery(provider: TracerProvider) -> "_CeleryInstrumentor":
    """Make spans of Celery's tasks: children of the run that their messages name."""
    instrumentor = _CeleryInstrumentor()
    # Without metrics: Leafmark has its own.
    instrumentor.instrument(tracer_provider=provider, meter_provider=NoOpMeterProvider())
    return instrumentor


class _CeleryInstrumentor(CeleryInstrumentor):
    """Records the class of an error and not its text, which may quote a page."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # it publishes no type for that

    @staticmethod
    def _trace_failure(*_: Any, **failure: Any) -> None:
        set_error(trace.get_current_span(), failure["exception"])


class _Ids(RandomIdGenerator):
    """Random ids, except for the span that a run begins with."""

    def generate_trace_id(self) -> int:
        run = new_span_id.get()
        return int(run.split("-")[1], 16) if run else super().generate_trace_id()

    def generate_span_id(self) -> int:
        run = new_span_id.get()
        return int(run.split("-")[2], 16) if run else super().generate_span_id()

"""Traces: spans that join up from the enqueue to the commit, and say what they should and no more."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.errors import SettingsError
from checkpointing.ledger_entry import Call
from checkpointing.run_ids import new_run, same_run, trace_id_of
from producer.planning.enqueue import enqueue
from producer.planning.request import Request
from tests.support.fake_deployment import SCAN, STAGE, FakeDeployment
from tests.support.stages import raising
from tests.support.waiting import HANG_SECONDS
from worker.billing.settlement import record_call
from worker.config.settings import Settings
from worker.pipeline.process_page import process_page
from worker.queue.messages import Outcome, PageMessage
from worker.reconciler.reconciler import Reconciler
from worker.telemetry import tracing
from worker.telemetry.tracing_sdk import instrument_celery, make_provider

ON = Settings(tracing=True)


class Traces:
    """The spans of this process that have ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.processor = SimpleSpanProcessor(self._exporter)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span


@pytest.fixture
def traces() -> Iterator[Traces]:
    made = Traces()
    tracing.use(make_provider("worker", made.processor))
    yield made
    tracing.stop()


def trace_of(span: ReadableSpan) -> str:
    return f"{span.context.trace_id:032x}"


def ours(span: ReadableSpan) -> dict[str, Any]:
    """The attributes, without what begins the names of ours."""
    return {name.removeprefix("leafmark."): value for name, value in (span.attributes or {}).items()}


def page_message(fake: FakeDeployment, page: int) -> PageMessage:
    return PageMessage(scan_id=SCAN, stage=STAGE, page=page, run=fake.checkpoint().run)


def test_from_enqueue_to_commit_it_is_one_trace(fake: FakeDeployment, traces: Traces) -> None:
    request = Request(SCAN, STAGE)
    enqueue(fake.parts, request)
    assert (
        process_page(fake.parts.store, fake.parts.queues, fake.parts.calls, page_message(fake, 2))
        is Outcome.COMPLETE
    )
    Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls).commit_inboxes()

    begun, page, commit = (traces.one(name) for name in ("enqueue", "page", "commit"))
    assert {trace_of(span) for span in (begun, page, commit)} == {trace_id_of(request.run)}
    assert begun.parent is None
    for span in (page, commit):
        assert span.parent is not None
        assert span.parent.span_id == begun.context.span_id
    assert [link.context.span_id for link in commit.links] == [begun.context.span_id]
    assert ours(begun) == {"scan_id": SCAN, "stage": STAGE, "remaining": 5, "enqueued": 5}
    assert ours(page) == {"scan_id": SCAN, "stage": STAGE, "page": 2, "outcome": "complete", "attempt": 1}
    assert ours(commit) == {"scan_id": SCAN, "stage": STAGE, "completed": 1, "quarantined": 0}


def test_a_page_that_comes_to_nothing_says_so_and_not_why(fake: FakeDeployment, traces: Traces) -> None:
    fake.stage.act = raising(ValueError("words of the book"))
    assert fake.process(1) is Outcome.TRY_AGAIN
    span = traces.one("page")
    assert (ours(span)["outcome"], ours(span)["attempt"]) == ("try_again", 1)
    assert "words of the book" not in span.to_json()


def test_an_error_is_named_and_not_quoted(traces: Traces) -> None:
    with pytest.raises(RedisConnectionError), tracing.span("page"):
        raise RedisConnectionError("redis://:password@host")
    span = traces.one("page")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes == {"error.type": "ConnectionError"}
    assert "password" not in span.to_json()


def test_a_commit_of_several_runs_names_them_all_and_is_part_of_none(traces: Traces) -> None:
    runs = [new_run(), new_run()]
    tracing.record("commit", 0.25, runs=runs, scan_id=SCAN)
    span = traces.one("commit")
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [trace_id_of(run) for run in runs]
    assert span.parent is None
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.end_time - span.start_time == 250_000_000


def test_the_stages_of_a_run_begin_in_one_trace(traces: Traces) -> None:
    first = new_run()
    for run in (first, same_run(first)):
        with tracing.span("enqueue", identity=run) as span:
            assert tracing.run_of(span)[:-2] == run[:-2]
    one, other = traces.named("enqueue")
    assert trace_of(one) == trace_of(other) == trace_id_of(first)
    assert one.context.span_id != other.context.span_id
    with tracing.span("page"):
        pass
    assert trace_of(traces.one("page")) != trace_id_of(first), "only the first span of a run gets its id"


def test_a_run_that_is_not_sampled_is_not_traced_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    traces = Traces()
    tracing.use(make_provider("producer", traces.processor))
    with tracing.span("enqueue", identity=new_run()) as span:
        run = tracing.run_of(span)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    tracing.use(make_provider("worker", traces.processor))
    with tracing.span("page", parent=run):
        pass
    tracing.stop()
    assert (traces.named("enqueue"), traces.named("page")) == ([], [])


def test_a_call_tells_its_model_tokens_and_cost_and_none_of_its_words(traces: Traces) -> None:
    call = Call(
        attempt="0" * 32,
        scan_id=SCAN,
        stage="correction",
        page=7,
        provider="llm.example",
        model="a-model",
        request_sha256="0" * 64,
        most_micro=900,
    )
    answered = call.model_copy(
        update={"cost_micro": 123, "usage": {"tokens_in": 40, "tokens_out": 20}, "answer": "words of the book"}
    )
    with tracing.span("page") as _:
        record_call(answered, 1.5)
        record_call(call, 0.5, TimeoutError("a-key"))
    paid, failed = traces.named("call model")
    page = traces.one("page")
    assert paid.parent is not None
    assert paid.parent.span_id == page.context.span_id
    assert ours(paid) == {
        "scan_id": SCAN,
        "stage": "correction",
        "page": 7,
        "gen_ai.provider.name": "llm.example",
        "gen_ai.request.model": "a-model",
        "gen_ai.usage.input_tokens": 40,
        "gen_ai.usage.output_tokens": 20,
        "cost_usd": 0.000123,
    }
    assert ours(failed)["error.type"] == "TimeoutError"
    for span in (paid, failed):
        assert "words of the book" not in span.to_json()
        assert "a-key" not in span.to_json()


def test_celerys_span_of_a_task_is_part_of_the_run_and_quotes_no_error(traces: Traces) -> None:
    app = Celery("a-test", set_as_current=False, broker="memory://")

    @app.task(name="a.task")  # type: ignore[untyped-decorator]  # Celery publishes no types
    def fail() -> None:
        with tracing.span("page", parent=new_run()):
            pass
        raise ValueError("words of the book")

    run = new_run()
    provider = make_provider("worker", traces.processor)
    instrumentor = instrument_celery(provider)
    try:
        # As the message filter puts it: among the headers, which become attributes of the request.
        fail.apply(headers={"traceparent": run}, throw=False)
    finally:
        instrumentor.uninstrument()
    span, page = traces.one("run/a.task"), traces.one("page")
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "ValueError"
    assert "words of the book" not in span.to_json()
    assert page.parent is not None
    assert page.parent.span_id == span.context.span_id


def test_who_sends_them_is_named_unless_the_environment_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def name() -> object:
        return make_provider("reconciler", Traces().processor).resource.attributes["service.name"]

    assert name() == "leafmark-reconciler"
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=scans")
    assert name() == "scans"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "books")
    assert name() == "books"


def test_off_there_is_no_span(fake: FakeDeployment) -> None:
    tracing.start(fake.settings, "worker")
    with tracing.span("page", parent=new_run()) as span:
        assert tracing.run_of(span) == ""
        span.set_attributes(tracing.named(outcome="complete"))
    tracing.record("commit", 1.0)
    tracing.stop()
    assert fake.process(1) is Outcome.COMPLETE


def test_what_is_missing_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("worker.telemetry.tracing.find_spec", missing)
    tracing.check(Settings(tracing=False))
    for refused in (tracing.check, lambda settings: tracing.start(settings, "worker")):
        with pytest.raises(SettingsError, match=r"pip install 'leafmark\[otel\]'"):
            refused(ON)


_LOAD_ALL = """
import sys
import producer.cli, worker.celery, worker.tasks, worker.reconciler.process
from worker.telemetry import tracing
from worker.config.settings import Settings
tracing.start(Settings(tracing=False), "worker")
with tracing.span("page"):
    tracing.record("commit", 1.0)
"""


def run_python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=HANG_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_off_nothing_of_the_sdk_is_imported() -> None:
    # The client of Redis by itself imports the SDK's metrics where they are installed.
    sdk = (
        "opentelemetry.sdk.trace",
        "opentelemetry.exporter",
        "opentelemetry.instrumentation",
        "worker.telemetry.tracing_sdk",
    )
    names = f"print([name for name in sys.modules if name.startswith({sdk})])"
    assert run_python(_LOAD_ALL + names) == "[]\n"


def test_without_the_extra_everything_works_but_traces() -> None:
    hide = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.instrumentation")):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
"""
    complain = """
try:
    tracing.start(Settings(tracing=True), "worker")
except Exception as error:
    print(type(error).__name__, error)
"""
    said = run_python(hide + _LOAD_ALL + complain)
    assert said == (
        "SettingsError LEAFMARK_TRACING is set and OpenTelemetry is missing: pip install 'leafmark[otel]'\n"
    )


class _Hanging:
    """A collector that never answers."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def on_start(self, *_: object) -> None: ...
    def on_end(self, *_: object) -> None: ...
    def shutdown(self) -> None:
        self.let_go.wait(60)


def test_a_collector_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.telemetry.tracing.STOP_SECONDS", 0.1)
    hanging: Any = _Hanging()
    tracing.use(make_provider("worker", hanging))
    tracing.stop()
    assert not hanging.let_go.is_set()
    hanging.let_go.set()

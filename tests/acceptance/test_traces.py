"""One run, followed through real processes: what its traces tell, and that its log lines carry the same id."""

import json
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sample.provider import Behaviour, running_provider
from tests.support.deployment import Deployment
from tests.support.llm_deployment import (
    ASKING,
    MODEL,
    ask_provider,
    read_text,
    start_asking_worker,
    write_read_book,
)
from tests.support.waiting import exit_code_of

SCAN = "a-book"
STAGE = "correction"
PAGES = 24


class Ended(NamedTuple):
    """A span as a collector gets it."""

    trace: str
    span: str
    parent: str
    service: str
    process: str
    attributes: dict[str, Any]
    links: list[str]


class Collector:
    """Receives spans as an OpenTelemetry collector does: OTLP over HTTP, in protobuf."""

    def __init__(self, server: HTTPServer) -> None:
        self.bodies: list[bytes] = []
        self.endpoint = server.url_for("").rstrip("/")
        server.expect_request("/v1/traces", method="POST").respond_with_handler(self._receive)

    def _receive(self, request: Request) -> Response:
        self.bodies.append(request.get_data())
        return Response(status=200)

    def spans(self, name: str) -> list[Ended]:
        found = []
        for body in list(self.bodies):
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                about = _attributes(group.resource.attributes)
                spans = [span for scope in group.scope_spans for span in scope.spans if span.name == name]
                found += [
                    Ended(
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        about["service.name"],
                        about["service.instance.id"],
                        _attributes(span.attributes),
                        [link.span_id.hex() for link in span.links],
                    )
                    for span in spans
                ]
        return found


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def test_a_run_is_one_trace_from_the_enqueue_to_the_commit(deployment: Deployment, httpserver: HTTPServer) -> None:
    collector = Collector(httpserver)
    with running_provider(Behaviour(latency_seconds=0.1)) as provider:
        ask_provider(deployment, provider)
        write_read_book(deployment, SCAN, PAGES)
        deployment.environment |= {
            "LEAFMARK_TRACING": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            # What has ended at the end of a process is sent by that: nothing else would send it within the test.
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
        }
        # Processes that were forked, and threads: pages are done in both.
        workers = [
            deployment.start_worker(2, "--queues=" + ",".join(ASKING)),
            start_asking_worker(deployment, threads=2),
        ]
        deployment.wait_until_ready()
        deployment.producer("enqueue", SCAN, "--stage", STAGE, "--wait")
        followed = deployment.producer("logs", SCAN, "--stage", STAGE, "--json", "--until-done").stdout
        for worker in workers:
            worker.terminate()
        for worker in workers:
            exit_code_of(worker)

    (begun,) = collector.spans("enqueue")
    assert begun.service == "leafmark-producer"
    assert begun.parent == ""
    tasks, pages = collector.spans("run/page.process"), collector.spans("page")
    assert sorted(page.attributes["leafmark.page"] for page in pages) == list(range(1, PAGES + 1))
    assert {page.attributes["leafmark.outcome"] for page in pages} == {"complete"}
    assert {task.parent for task in tasks} == {begun.span}
    assert {page.parent for page in pages} == {task.span for task in tasks}
    assert len({page.process for page in pages}) >= 3, "two forked processes, and the threads' one"
    calls = collector.spans("call model")
    assert {call.parent for call in calls} == {page.span for page in pages}
    assert {call.attributes["gen_ai.request.model"] for call in calls} == {MODEL}
    assert all(call.attributes["leafmark.cost_usd"] > 0 for call in calls)
    commits = collector.spans("commit")
    assert sum(commit.attributes["leafmark.completed"] for commit in commits) == PAGES
    assert {tuple(commit.links) for commit in commits} == {(begun.span,)}
    assert {commit.service for commit in commits} == {"leafmark-reconciler"}
    everything = [begun, *tasks, *pages, *calls, *commits]
    assert {span.trace for span in everything} == {begun.trace}

    # Nothing of what was asked, and no key.
    sent = b"".join(collector.bodies)
    assert b"a-key-of-the-test" not in sent
    assert not any(read_text(page).encode() in sent for page in range(1, PAGES + 1))

    lines = [json.loads(line) for line in followed.splitlines()]
    assert lines[0]["message"] == "enqueued"
    assert sorted(line["page"] for line in lines if line["message"] == "page complete") == list(range(1, PAGES + 1))
    assert {line["run"] for line in lines if line["message"] in {"enqueued", "page complete"}} == {begun.trace}
    committed = [line for line in lines if line["message"] == "checkpoint committed"]
    assert {tuple(line["runs"]) for line in committed} == {(begun.trace,)}
    assert sum(line["completed"] for line in committed) == PAGES

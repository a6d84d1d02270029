"""How many calls of a slow model one process keeps in flight: the correction of a book by a pool of threads.

There are two yardsticks. Bare threads ask the same provider the same questions through the same client, and do
nothing else: no claim, no ledger, no budget, no output, no checkpoint. They are measured in turn with the worker.
The ideal is what so many threads would reach that did nothing but wait for answers: as many rounds of calls as
the book needs, each as long as an answer takes. Measured is the time from the moment the first call of the book is
noted in the ledger, which is before it is made, until the last answer is. The beginning, when all threads begin at
once and wait for each other, and the end, where not all of them have something to do, are not left out; they cost
about two seconds each, so the book is long enough for a rate: two minutes.

The worker is up and has done a short book before, which also shows the provider all texts: it thinks longer of
those that it sees for the first time. The provider is a process of its own on the same machine and takes its share
of the cores, about a millisecond a call.
"""

import math
import statistics
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.asking import provider_process, wait_until_completed
from benchmarks.ocr_pages import finish_ocr, made_up_page
from benchmarks.report import note, peak_bytes, report, seconds_of
from checkpointing.ledger import Ledger
from checkpointing.ledger_entry import Call, State
from producer.run.embedded_broker import embedded_broker
from tests.support.deployment import Deployment, deployment_in
from tests.support.fake_deployment import write_scan
from worker.app import make_app
from worker.config.settings import Settings
from worker.deployment import Deployment as Parts
from worker.llm.client import ModelClient
from worker.llm.prompt import Answer, Prompt
from worker.llm.raw_answer import answer_of
from worker.llm.reply import CostSource, LlmRecord, Reply, Usage
from worker.pages.sources.base import PageImage
from worker.stages.correction import CorrectionStage

Made = TypeVar("Made")
_STAGE = CorrectionStage.name
_MIB = 1 << 20


def run(page_count: int = 3840, rounds: int = 1, threads: int = 64, latency_seconds: float = 2.0) -> None:
    """Measure and report.

    Args:
        page_count: of the book.
        rounds: how many such books are corrected, one after the other.
        threads: of the worker.
        latency_seconds: how long the provider takes for an answer.
    """
    ideal = math.ceil(page_count / threads) * latency_seconds
    with (
        tempfile.TemporaryDirectory() as name,
        embedded_broker(Path(name) / "broker") as broker,
        provider_process(latency_seconds) as provider,
        deployment_in(Path(name) / "run", broker.url) as deployment,
    ):
        deployment.environment |= provider
        settings = Settings(storage_root=deployment.root, redis_url=broker.url)
        parts = Parts(settings, make_app(settings))
        worker = deployment.start_worker(threads, "--pool=threads", f"--queues={_STAGE}")
        deployment.wait_until_ready()
        _correct(deployment, parts, "a-short-book", threads)
        seconds, bare = [], []
        for number in range(rounds):
            calls = _correct(deployment, parts, f"book-{number}", page_count)
            seconds.append(_seconds(calls))
            bare.append(seconds_of(lambda: _ask_barely(provider, page_count, threads)))
            note(f"{page_count} calls: {seconds[-1]:.2f} s; bare threads: {bare[-1]:.2f} s; ideal: {ideal:.2f} s")
        peak = peak_bytes(worker.pid)
    measured, barely = statistics.median(seconds), statistics.median(bare)
    where = f"{threads} calls of {latency_seconds:g} s in flight in one process"
    report(
        f"calls a second, {where}",
        page_count / measured,
        "calls/s",
        f"bare threads with the same client: {page_count / barely:.2f} calls/s",
        barely / measured,
    )
    report(
        f"the same against the ideal, {where}",
        page_count / measured,
        "calls/s",
        f"threads that do nothing but wait: {page_count / ideal:.2f} calls/s; at least 0.95 of it is the target",
        ideal / measured,
    )
    report(f"peak memory of that process, {where}", peak / _MIB, "MiB", "none", None)


def _correct(deployment: Deployment, parts: Parts, scan_id: str, page_count: int) -> list[Call]:
    """Have a book corrected that was read already; returns the calls that it took."""
    scan = write_scan(deployment.root, scan_id, page_count)
    finish_ocr(parts, scan_id, page_count)
    deployment.producer("enqueue", scan_id, "--stage", _STAGE)
    wait_until_completed(deployment, scan_id, _STAGE)
    ledger = Ledger(scan.path, _STAGE)
    calls = list(ledger.calls(*State))
    if [call.page for call in calls if call.answered_at] != list(range(1, page_count + 1)) or len(
        calls
    ) != page_count:
        raise RuntimeError(f"{page_count} pages took {len(calls)} calls, of which not all were answered")
    return calls


def _ask_barely(provider: Mapping[str, str], page_count: int, threads: int) -> None:
    """The same questions about as many pages, from so many threads of this process."""
    client = ModelClient(provider["LEAFMARK_LLM_BASE_URL"], provider["LEAFMARK_LLM_API_KEY"], 60.0)
    stage, model = CorrectionStage(), provider["LEAFMARK_CORRECTION_MODEL"]
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda page: stage.run(page, _BareInputs(client, model)), range(1, page_count + 1)):
            pass
    client.close()


class _BareInputs:
    """Made-up pages, and a model that is simply asked."""

    total_pages = 1 << 20

    def __init__(self, client: ModelClient, model: str) -> None:
        self._client = client
        self._model = model

    def image(self, page: int) -> PageImage:
        raise NotImplementedError(f"nobody needs the picture of page {page}")

    def languages(self, _page: int) -> tuple[str, ...]:
        return ()

    def output(self, _stage: str, page: int) -> dict[str, Any]:
        return made_up_page(page).model_dump(mode="json")

    def ask(self, prompt: Prompt[Answer], accept: Callable[[Reply[Answer]], Made]) -> Made:
        raw = self._client.send(self._model, prompt)
        record = LlmRecord(
            provider="a-provider",
            model=self._model,
            recipe_sha256="0" * 64,
            request_sha256="0" * 64,
            usage=Usage(),
            cost_usd=0.0,
            cost_source=CostSource.UNPRICED,
            seconds=raw.seconds,
            attempts=1,
        )
        return accept(Reply(answer_of(raw, prompt.answer), record))


def _seconds(calls: list[Call]) -> float:
    """From the first call to the last answer."""
    answered = [call.answered_at for call in calls if call.answered_at]
    return (max(answered) - min(call.asked_at for call in calls)).total_seconds()

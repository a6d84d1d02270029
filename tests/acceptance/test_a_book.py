"""A book through all four stages, with a provider that misbehaves, and books that balance.

The real command line, a real server, real workers. It is done once, before the first test.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from checkpointing.ledger import Ledger
from producer.run.embedded_broker import EmbeddedBroker
from sample import pages, write_pdf
from sample.provider import Behaviour, BillRow, running_provider
from tests.support.character_errors import character_error_rate
from tests.support.deployment import Deployment, deployment_in
from tests.support.llm_deployment import ASKING, ask_provider, insist_on_equal_books, start_asking_worker, troubles

SCAN = "the-rabbit-hole"
PAGES = range(1, 9)
"""Of the sample book: all kinds of pages are among these."""
FOLDERS = {"ocr": "ocr", "correction": "corrected", "fix": "fixed", "structure": "structured"}
MAX_ERRORS = {"ocr": 0.02, "corrected": 0.01}
Record = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Book:
    """What is left once the workers have come to the end.

    Attributes:
        deployment: with everything still at work, but for the provider.
        said: what `enqueue --wait` printed.
        bill: the provider's.
    """

    deployment: Deployment
    said: str
    bill: tuple[BillRow, ...]

    @property
    def folder(self) -> Path:
        return self.deployment.root / SCAN

    def checkpoint(self, stage: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "checkpoints" / f"{stage}.json").read_bytes())
        return found

    def outputs(self, folder: str) -> dict[int, dict[str, Any]]:
        """By page."""
        paths = (self.folder / folder).glob("page_*.json")
        return {int(path.stem[5:]): json.loads(path.read_bytes()) for path in paths}

    def character_errors(self, folder: str) -> tuple[float, int]:
        """The rate of them in the text of a stage, and how many characters there are."""
        expected = "\n".join(page.text for page in pages(len(PAGES)))
        outputs = self.outputs(folder)
        regions = (region for page in pages(len(PAGES)) for region in outputs[page.number]["regions"])
        found = "\n".join(region["text"] for region in regions if region["text"])
        return character_error_rate(expected, found), len(expected)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory, broker_of_session: EmbeddedBroker) -> Iterator[Book]:
    broker_of_session.keep_alive()
    broker_of_session.flush()
    pdf = write_pdf(tmp_path_factory.mktemp("sample") / f"{SCAN}.pdf", pages(len(PAGES)))
    with deployment_in(tmp_path_factory.mktemp("book"), broker_of_session.url) as deployment:
        with running_provider(Behaviour(trouble=0.1, seed=5, slow_seconds=0.5)) as provider:
            ask_provider(deployment, provider)
            assert deployment.producer("ingest", pdf).stdout == f"{SCAN}\n"
            for _ in range(2):
                deployment.start_worker(1, "--queues=ocr")
            start_asking_worker(deployment)
            done = deployment.producer("enqueue", SCAN, "--through", "structure", "--budget", "5", "--wait")
            bill = provider.bill().rows
        yield Book(deployment, done.stdout, bill)


def test_every_page_is_done_once_and_the_checkpoints_say_so(book: Book) -> None:
    assert f"{len(PAGES)} pages enqueued" in book.said
    for stage, folder in FOLDERS.items():
        checkpoint = book.checkpoint(stage)
        assert checkpoint["status"] == "completed"
        assert checkpoint["completed_pages"] == list(PAGES)
        assert checkpoint["progress"]["percent"] == 100
        assert checkpoint["failed_pages"] == []
        assert set(book.outputs(folder)) == set(PAGES)
    book.deployment.insist_on_pages_done(SCAN, PAGES)


def test_the_text_is_recognised_and_better_when_it_is_corrected(book: Book, record_property: Record) -> None:
    errors, characters = book.character_errors("ocr")
    record_property("figure", f"Sample book: character error rate {errors:.3%} over {characters} characters")
    assert errors < MAX_ERRORS["ocr"]
    assert book.character_errors("corrected")[0] < MAX_ERRORS["corrected"]


def test_pages_have_their_regions_and_the_book_its_chapters(book: Book) -> None:
    read = book.outputs("ocr")
    assert read[2]["blank"]
    kinds = {region["type"] for page in read.values() for region in page["regions"]}
    assert kinds >= {"header", "body", "page_number", "image", "caption"}
    structure = json.loads((book.folder / "structured" / "metadata.json").read_bytes())
    assert structure["chapters"][0]["title"] == "CHAPTER I. Down the Rabbit-Hole"


def test_the_ledger_is_the_providers_bill(book: Book, record_property: Record) -> None:
    assert troubles(book.bill)
    books = insist_on_equal_books(book.folder, book.bill)
    said = f"four stages: {len(book.bill)} calls, {books}, ledger and bill equal to the micro-dollar"
    record_property("figure", said)
    for stage in ASKING:
        total = Ledger(book.folder, stage).sums().total
        assert book.checkpoint(stage)["metadata"]["total_cost_usd"] == total.usd


def test_status_tells_of_it(book: Book) -> None:
    status = json.loads(book.deployment.producer("status", SCAN, "--json").stdout)
    assert status["scan_id"] == SCAN
    stage = status["stages"]["ocr"]
    assert (stage["status"], stage["completed"], stage["remaining"], stage["failed"]) == (
        "completed",
        len(PAGES),
        0,
        0,
    )
    assert (stage["total_pages"], stage["total_cost_usd"]) == (len(PAGES), 0.0)


def test_there_is_nothing_left_to_do(book: Book) -> None:
    before = book.deployment.outputs(SCAN)
    again = book.deployment.producer("enqueue", SCAN, "--through", "structure", "--wait")
    assert again.stdout.count(f"all {len(PAGES)} pages are complete, nothing to do") == 1 + len(ASKING)
    assert book.deployment.outputs(SCAN) == before

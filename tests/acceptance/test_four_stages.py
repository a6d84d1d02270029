"""A book through all four stages with a provider that misbehaves, and books that balance."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpointing.ledger import Ledger
from checkpointing.money import usd
from sample import pages, write_pdf
from sample.provider import Behaviour, running_provider
from tests.character_errors import character_error_rate
from tests.deployment import Deployment
from tests.llm_deployment import ASKING, ask_provider, insist_on_equal_books, start_asking_worker, troubles

pytestmark = pytest.mark.timeout(240)
SCAN = "the-rabbit-hole"


@pytest.fixture(scope="module")
def sample_pdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pdf(tmp_path_factory.mktemp("sample") / f"{SCAN}.pdf")


def read(deployment: Deployment, stage: str, folder: str) -> tuple[dict[str, object], dict[int, dict[str, object]]]:
    """A stage's checkpoint, and its outputs by page."""
    scan = deployment.root / SCAN
    checkpoint = json.loads((scan / "checkpoints" / f"{stage}.json").read_bytes())
    outputs = {int(path.stem[5:]): json.loads(path.read_bytes()) for path in (scan / folder).glob("page_*.json")}
    return checkpoint, outputs


def test_a_book_goes_through_all_stages_and_the_ledger_is_the_providers_bill(
    deployment: Deployment, sample_pdf: Path, record_property: Callable[[str, str], None]
) -> None:
    with running_provider(Behaviour(trouble=0.1, seed=5, slow_seconds=0.5)) as provider:
        ask_provider(deployment, provider)
        deployment.producer("ingest", sample_pdf)
        deployment.start_worker(2, "--queues=ocr")
        start_asking_worker(deployment)
        done = deployment.producer("enqueue", SCAN, "--through", "structure", "--budget", "5", "--wait")
        assert "14 pages enqueued" in done.stdout
        rows = provider.bill().rows
    scan = deployment.root / SCAN
    for stage, folder in (("correction", "corrected"), ("fix", "fixed"), ("structure", "structured")):
        checkpoint, outputs = read(deployment, stage, folder)
        assert checkpoint["status"] == "completed"
        assert set(outputs) == set(range(1, 15))
        assert checkpoint["metadata"]["total_cost_usd"] == usd(Ledger(scan, stage).sums().total)  # type: ignore[index]
    assert troubles(rows)
    books = insist_on_equal_books(scan, rows)
    record_property("figure", f"four stages: {len(rows)} calls, {books}, ledger and bill equal to the micro-dollar")

    _, corrected = read(deployment, "correction", "corrected")
    expected = "\n".join(page.text for page in pages())
    text = "\n".join(_text(corrected[page.number]) for page in pages())
    assert character_error_rate(expected, text) < 0.01
    book = json.loads((scan / "structured" / "metadata.json").read_bytes())
    assert [chapter["title"] for chapter in book["chapters"]][:1] == ["CHAPTER I. Down the Rabbit-Hole"]

    again = deployment.producer("enqueue", SCAN, "--through", "structure", "--wait")
    assert again.stdout.count("nothing to do") == 1 + len(ASKING)


def _text(output: dict[str, object]) -> str:
    regions = output["regions"]
    assert isinstance(regions, list)
    return "\n".join(region["text"] for region in regions if region["text"])

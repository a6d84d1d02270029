"""A book to the end, with the real command line, a real server and real workers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sample import pages, write_pdf
from tests.character_errors import character_error_rate
from tests.deployment import Deployment

pytestmark = pytest.mark.timeout(180)
MOST_ERRORS = 0.02


@pytest.fixture(scope="module")
def sample_pdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pdf(tmp_path_factory.mktemp("sample") / "the-rabbit-hole.pdf")


def test_a_book_is_done_to_the_end_by_two_workers_and_its_text_is_recognised(
    deployment: Deployment, sample_pdf: Path, record_property: Callable[[str, str], None]
) -> None:
    assert deployment.producer("ingest", sample_pdf).stdout == "the-rabbit-hole\n"
    deployment.start_worker()
    deployment.start_worker()
    done = deployment.producer("enqueue", "the-rabbit-hole", "--wait")
    assert "14 pages enqueued" in done.stdout

    checkpoint = deployment.checkpoint("the-rabbit-hole")
    assert checkpoint["status"] == "completed"
    assert checkpoint["completed_pages"] == list(range(1, 15))
    assert checkpoint["progress"]["percent"] == 100
    assert checkpoint["failed_pages"] == []
    assert deployment.pages_done_in_logs("the-rabbit-hole") == list(range(1, 15))

    outputs = {page: json.loads(raw) for page, (_, raw) in deployment.outputs("the-rabbit-hole").items()}
    expected = "\n".join(page.text for page in pages())
    recognised = "\n".join(_text(outputs[page.number]) for page in pages())
    errors = character_error_rate(expected, recognised)
    record_property("figure", f"Sample book: character error rate {errors:.3%} over {len(expected)} characters")
    assert errors < MOST_ERRORS
    assert outputs[2]["blank"]
    assert {region["type"] for page in outputs.values() for region in page["regions"]} >= {
        "header",
        "body",
        "footer",
        "image",
        "caption",
    }

    before = deployment.outputs("the-rabbit-hole")
    again = deployment.producer("enqueue", "the-rabbit-hole", "--wait")
    assert "all 14 pages are complete, nothing to do" in again.stdout
    assert deployment.outputs("the-rabbit-hole") == before

    status = json.loads(deployment.producer("status", "the-rabbit-hole", "--json").stdout)
    assert status["scan_id"] == "the-rabbit-hole"
    stage = status["stages"]["ocr"]
    assert (stage["status"], stage["completed"], stage["remaining"], stage["failed"]) == ("completed", 14, 0, 0)
    assert (stage["total_pages"], stage["total_cost_usd"]) == (14, 0.0)


def _text(output: dict[str, list[dict[str, str]]]) -> str:
    return "\n".join(region["text"] for region in output["regions"] if region["text"])

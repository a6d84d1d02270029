"""A page goes only to workers that have the engine and the languages of its book."""

import os
from pathlib import Path

import pytest
from PIL import Image

from checkpointing.errors import SettingsError
from tests.support.deployment import Deployment
from worker.ocr.engines.tesseract_data import find_data


@pytest.fixture
def english() -> None:
    """Tesseract with its data for English."""
    pytest.importorskip("tesserocr", reason="tesserocr is not installed: pip install 'leafmark[tesseract]'")
    try:
        find_data("eng")
    except SettingsError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("english")
def test_pages_go_to_the_one_worker_that_can_read_them(deployment: Deployment, tmp_path: Path) -> None:
    book, no_data = tmp_path / "book", tmp_path / "no-data"
    book.mkdir()
    no_data.mkdir()
    for number in (1, 2, 3, 4):
        Image.new("L", (300, 100), 255).save(book / f"{number}.png", dpi=(300, 300))
    deployment.producer("ingest", book, "--scan-id", "book", "--engine", "tesseract", "--lang", "en")
    deployment.start_worker(1, TESSDATA_PREFIX=str(no_data))
    deployment.wait_until_ready()
    deployment.wait(lambda: deployment.redis.zcard(deployment.keys.slots("ocr")), 20, "the worker's heartbeat")

    refused = deployment.producer("enqueue", "book", expect=7)
    assert refused.stderr.strip().splitlines()[-1] == (
        "producer: no worker that is alive can read en with tesseract; on a machine with a worker: "
        "pip install 'leafmark[tesseract]', and the language data: "
        "apt-get install tesseract-ocr-eng on Debian, or eng.traineddata in Tesseract's folder"
    )
    assert deployment.checkpoint("book") == {}

    able = deployment.start_worker()
    deployment.wait_until_ready()
    deployment.producer("enqueue", "book")
    done = deployment.wait_for_status("book", "completed")
    workers = [page["worker"] for page in done["pages"].values()]
    assert len(workers) == 4
    assert {os.getpgid(int(worker.rpartition(":")[2])) for worker in workers} == {able.pid}

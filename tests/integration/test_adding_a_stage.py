"""The example of docs/adding-a-stage.md, registered in this process, enqueued and run."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from checkpointing.refs import StageRef
from producer.ingest.ingest_source import ingest
from producer.planning.enqueue import enqueue
from producer.planning.request import Request
from producer.run.embedded_broker import EmbeddedBroker
from sample import small_page, write_image_folder
from worker.app import make_app
from worker.config.settings import settings_class
from worker.deployment import Deployment
from worker.pipeline.coordinators import make_coordinator
from worker.pipeline.process_page import process_page
from worker.queue.messages import Outcome, PageMessage
from worker.stages.registry import STAGES, register

EXAMPLE = Path(__file__).parents[2] / "examples" / "leafmark-wordcount" / "leafmark_wordcount.py"


def load_example() -> ModuleType:
    spec = spec_from_file_location("leafmark_wordcount", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_documented_stage_is_registered_enqueued_and_run(
    tmp_path: Path, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(STAGES, "_entries", dict(STAGES._entries))  # Undoes the registration below.
    register(load_example().WordcountStage)

    settings = settings_class()(storage_root=tmp_path / "scans", redis_url=broker.url)
    parts = Deployment(settings, make_app(settings))
    book = write_image_folder(tmp_path / "book", [small_page(1)])
    ingest(book, settings.root)
    ocr = parts.store.outputs(StageRef("book", "ocr")).path
    ocr.mkdir()
    (ocr / "page_0001.json").write_text(json.dumps(_ocr_output("four words on it")))

    assert enqueue(parts, Request("book", "ocr")).completed == 1
    made = enqueue(parts, Request("book", "wordcount"))
    assert made.enqueued == [1]
    outcome = process_page(
        parts.store, parts.queues, parts.calls, PageMessage(scan_id="book", stage="wordcount", page=1)
    )
    assert outcome is Outcome.COMPLETE
    commit = make_coordinator(parts.store, parts.queues, StageRef("book", "wordcount")).commit()
    assert commit is not None
    assert commit.completed == [1]
    output = parts.store.outputs(StageRef("book", "wordcount")).load(1)
    assert output.pop("made_from")["inputs"] == {"ocr": parts.store.outputs(StageRef("book", "ocr")).sha256(1)}
    assert output == {"page_number": 1, "words": 4, "longest": "words"}
    parts.queues.redis.close()


def _ocr_output(text: str) -> dict[str, object]:
    region = {
        "id": "r1",
        "type": "body",
        "bbox": [10, 10, 80, 20],
        "text": text,
        "confidence": 0.9,
        "reading_order": 1,
    }
    return {
        "page_number": 1,
        "page_dimensions": {"width": 100, "height": 100},
        "regions": [region],
        "blank": False,
        "ocr_timestamp": "2026-01-01T00:00:00+00:00",
        "engine": "rapidocr",
        "engine_version": "3",
        "dpi": 300,
        "seconds": 0.1,
    }

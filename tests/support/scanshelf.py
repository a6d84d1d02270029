"""A book as Scanshelf leaves it: pages, checkpoints and metadata, written as that system writes them."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis

from producer.ingest.scanshelf_folder import take_in
from worker.app import make_app
from worker.config.settings import Settings
from worker.deployment import Deployment

METADATA = {
    "title": "The Accidental President",
    "author": "A.J. Baime",
    "publisher": "Houghton Mifflin Harcourt",
    "year": 2017,
    "isbn": "978-0544617346",
    "source_files": ["accidental-president-1.pdf"],
    "total_pages": 4,
    "status": "registered",
    "ocr_complete": True,
    "notes": {"shelf": "B4"},
}


def read_page(page: int) -> dict[str, Any]:
    """A page of `ocr/`, with every type of region."""
    return {
        "page_number": page,
        "page_dimensions": {"width": 2550, "height": 3300},
        "ocr_timestamp": datetime.now().isoformat(),  # noqa: DTZ005  # without a zone, as Scanshelf writes it
        "ocr_mode": "structured",
        "regions": [
            _text(1, "header", [100, 50, 500, 30], "THE PRESIDENT"),
            _text(2, "body", [100, 200, 2000, 700], f"On page {page} tbe presideut walked in."),
            {
                "id": 3,
                "type": "image",
                "bbox": [150, 1000, 800, 600],
                "image_file": f"page_{page:04d}_img_003.png",
                "reading_order": 3,
            },
            {**_text(4, "caption", [150, 1800, 400, 50], "LIBRARY OF CONGRESS"), "associated_image": 3},
            _text(5, "footer", [100, 3200, 500, 30], str(page)),
        ],
    }


def blocks_page(page: int) -> dict[str, Any]:
    """A page of `ocr/` as later versions wrote it."""

    def paragraph(number: int, text: str) -> dict[str, Any]:
        return {"par_num": number, "bbox": [100, 100 * number, 900, 80], "text": text, "avg_confidence": 0.91}

    return {
        "page_number": page,
        "page_dimensions": {"width": 2550, "height": 3300},
        "ocr_timestamp": "2025-10-20T10:30:45.123456",
        "blocks": [
            {"block_num": 1, "bbox": [100, 100, 900, 80], "paragraphs": [paragraph(1, "THE PRESIDENT")]},
            {
                "block_num": 2,
                "bbox": [100, 200, 900, 180],
                "paragraphs": [paragraph(2, f"On page {page} tbe presideut"), paragraph(3, "walked in.")],
            },
        ],
        "images": [{"image_id": 1, "bbox": [150, 1000, 800, 600], "image_file": f"page_{page:04d}_img_001.png"}],
    }


def corrected_page(page: int, confidence: float = 1.0) -> dict[str, Any]:
    """The same page in `corrected/`: the corrections stand in the regions, with their marks."""
    read = read_page(page)
    read["regions"][1].update(
        text=f"On page {page} the[CORRECTED:1] president[CORRECTED:2] walked in.", corrected=True
    )
    errors = [
        {"error_id": 1, "original_text": "tbe", "error_type": "character_substitution", "confidence": 0.95},
        {"error_id": 2, "original_text": "presideut", "error_type": "ocr_substitution", "confidence": 0.9},
    ]
    return {
        **read,
        "llm_processing": {
            "timestamp": "2025-01-15T11:45:30.789012",
            "model": "openai/gpt-4o-mini",
            "error_catalog": {"page_number": page, "total_errors_found": 2, "errors": errors},
            "corrected_text": "...",
            "verification": {
                "confidence_score": confidence,
                "needs_human_review": confidence < 0.8,
                "review_reason": "a correction was missed" if confidence < 0.8 else "",
            },
        },
    }


def checkpoint(scan_id: str, stage: str, pages: list[int], total: int, **changes: Any) -> dict[str, Any]:
    """A checkpoint of version 1.0, as of a stage in mid-book."""
    return {
        "version": "1.0",
        "scan_id": scan_id,
        "stage": stage,
        "created_at": "2025-01-15T10:30:45.123456",
        "updated_at": "2025-01-15T10:45:45.123456",
        "status": "in_progress",
        "completed_pages": pages,
        "total_pages": total,
        "progress": {"completed": len(pages), "remaining": total - len(pages), "percent": 100 * len(pages) / total},
        "costs": {"total_usd": 0.022 * len(pages)},
        "metadata": {},
        "validation": {
            "output_dir": {"ocr": "ocr", "correction": "corrected"}[stage],
            "file_pattern": "page_{:04d}.json",
        },
        **changes,
    }


def write_json(path: Path, data: object) -> Path:
    """Write a file as Scanshelf does; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2))
    return path


def write_page(folder: Path, stage_dir: str, data: dict[str, Any]) -> Path:
    """Write a page's output into the folder of a book."""
    return write_json(folder / stage_dir / f"page_{data['page_number']:04d}.json", data)


def _text(number: int, kind: str, bbox: list[int], text: str) -> dict[str, Any]:
    return {"id": number, "type": kind, "bbox": bbox, "text": text, "confidence": 0.93, "reading_order": number}


def make_parts(root: Path, monkeypatch: pytest.MonkeyPatch, **models: str) -> Deployment:
    """A deployment that takes in what Scanshelf left; the stages that are named have a model beside correction."""
    monkeypatch.setattr("producer.planning.preconditions.check_broker", bool)  # the fake broker has no address
    settings = Settings(
        storage_root=root,
        correction_model="a-model",
        llm_base_url="http://127.0.0.1:1/v1",
        llm_api_key="key",  # type: ignore[arg-type]  # pydantic makes a secret of it
        prices="a-model=1/2",  # type: ignore[arg-type]  # pydantic parses it
        **models,  # type: ignore[arg-type]  # names of settings
    )
    return Deployment(settings, make_app(settings), FakeRedis(), take_in)

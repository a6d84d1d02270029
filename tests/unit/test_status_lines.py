"""The lines of `producer status` at every width."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from producer.status.output import status_lines
from producer.status.scan_status import ScanStatus, StageStatus
from tests.support.fake_deployment import write_scan

LONG_ID = "a-book-with-a-title-that-goes-on-and-on-until-nobody-remembers-how-it-began-volume-2"
MOMENT = datetime(2026, 11, 26, 21, 0, tzinfo=UTC)
BOXES = set("│┃━┏┓└┘┡╇─|+")


def scan(root: Path, scan_id: str) -> ScanStatus:
    stage = StageStatus(
        "in_progress", 1200, 37, 1160, 3, [], 12.5, 0.15, 7733.0, started_at=MOMENT, updated_at=MOMENT
    )
    return ScanStatus(write_scan(root, scan_id, 1).read_metadata(), {"ocr": stage, "correction": stage})


@pytest.mark.parametrize("width", [None, 200, 120, 100, 80, 60, 40, 20])
@pytest.mark.parametrize("scan_id", ["moby-dick", LONG_ID])
def test_no_width_cuts_the_scan_id_or_draws_a_box(tmp_path: Path, scan_id: str, width: int | None) -> None:
    lines = [line.plain for line in status_lines([scan(tmp_path, scan_id), scan(tmp_path, "walden")], width)]
    words = [word for line in lines for word in line.split()]
    assert scan_id in words
    assert "walden" in words
    assert {"ocr", "correction", "in_progress"} <= set(words)
    assert not BOXES & set("".join(lines).replace(scan_id, ""))
    if width is not None and width >= 40:
        assert all(len(line) <= width for line in lines if line != scan_id)


def test_a_pipe_has_every_column_on_one_line_for_each_stage(tmp_path: Path) -> None:
    heads, *rows = [line.plain for line in status_lines([scan(tmp_path, LONG_ID)], None)]
    assert heads.split() == [
        "scan", "stage", "status", "complete", "remaining", "failed", "cost", "rate", "ETA", "started", "updated"
    ]  # fmt: skip
    assert [row.split()[:4] for row in rows] == [
        [LONG_ID, "ocr", "in_progress", "37/1200"],
        [LONG_ID, "correction", "in_progress", "37/1200"],
    ]


def test_80_columns_show_what_matters_most(tmp_path: Path) -> None:
    heads = status_lines([scan(tmp_path, "moby-dick")], 80)[0].plain.split()
    assert heads[:4] == ["scan", "stage", "status", "complete"]
    assert "failed" in heads


def test_40_columns_show_how_many_pages_are_complete(tmp_path: Path) -> None:
    lines = [line.plain for line in status_lines([scan(tmp_path, "the-rabbit-hole")], 40)]
    assert lines == [
        "  stage       status       complete",
        "the-rabbit-hole",
        "  ocr         in_progress  37/1200",
        "  correction  in_progress  37/1200",
    ]

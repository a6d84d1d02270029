"""Faults that the model test has found and that stand alone: each in as few steps as show it."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from checkpointing import CheckpointManager

_COST = b'"total_cost_usd":'


def _save(root: Path, page: int, text: str) -> None:
    folder = root / "a-book" / "ocr"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"page_{page:04d}.json").write_text(json.dumps({"page_number": page, "text": text}))


def test_a_version_that_came_in_the_same_tick_on_the_same_inode_is_not_overlooked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux before 6.13 stamps files to a few milliseconds; ext4 and XFS use a freed inode again at once."""

    def replace(source: Any, target: Any) -> None:
        shutil.copyfile(source, target)
        os.unlink(source)  # noqa: PTH108  # as in the function that it stands in for
        os.utime(target, ns=(1, 1))

    monkeypatch.setattr(os, "replace", replace)
    _save(tmp_path, 1, "a")
    _save(tmp_path, 2, "a")
    paused, other = (CheckpointManager("a-book", "ocr", tmp_path) for _ in range(2))
    paused.mark_completed(1, 0.01)
    for text, cost in (("b", 0.02), ("c", 0.03)):
        _save(tmp_path, 1, text)
        other.mark_completed(1, cost)
    paused.mark_completed(2, 0.01)
    told = CheckpointManager("a-book", "ocr", tmp_path).get_status()
    assert told["metadata"]["total_cost_usd"] == 0.07
    assert told["pages"]["1"]["cost_usd"] == 0.03
    assert told["revision"] == 4


def test_a_cost_that_is_cut_off_in_its_middle_makes_no_money_up(tmp_path: Path) -> None:
    _save(tmp_path, 1, "a")
    manager = CheckpointManager("a-book", "ocr", tmp_path)
    manager.mark_completed(1, 0.000001)
    raw = manager.file.path.read_bytes()
    manager.file.path.write_bytes(raw[: raw.index(_COST) + len(_COST) + 1])
    assert CheckpointManager("a-book", "ocr", tmp_path).get_status()["metadata"]["total_cost_usd"] <= 0.000001

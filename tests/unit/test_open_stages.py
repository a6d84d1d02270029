"""The list of stages that have work under way."""

from pathlib import Path

import pytest

from checkpointing.refs import StageRef
from worker.storage.open_stages import OWN_FOLDER, OpenStages


def test_nothing_is_open_where_nothing_was_ever_opened(tmp_path: Path) -> None:
    assert OpenStages(tmp_path / "missing").all() == []
    assert list(tmp_path.iterdir()) == []


def test_what_was_opened_is_listed_once_and_in_order(tmp_path: Path) -> None:
    stages = OpenStages(tmp_path)
    for scan_id, stage in [("b", "ocr"), ("a", "ocr"), ("a", "fix"), ("b", "ocr")]:
        stages.add(StageRef(scan_id, stage))
    assert stages.all() == [StageRef("a", "fix"), StageRef("a", "ocr"), StageRef("b", "ocr")]


def test_what_was_opened_by_one_process_is_seen_and_closed_by_another(tmp_path: Path) -> None:
    OpenStages(tmp_path).add(StageRef("a.book_1", "ocr"))
    assert OpenStages(tmp_path).all() == [StageRef("a.book_1", "ocr")]
    OpenStages(tmp_path).remove(StageRef("a.book_1", "ocr"))
    assert OpenStages(tmp_path).all() == []


def test_closing_what_is_not_open_is_fine(tmp_path: Path) -> None:
    stages = OpenStages(tmp_path)
    stages.add(StageRef("a", "ocr"))
    stages.remove(StageRef("b", "ocr"))
    stages.remove(StageRef("a", "ocr"))
    stages.remove(StageRef("a", "ocr"))
    assert stages.all() == []


@pytest.mark.parametrize("stray", [".DS_Store", "notes.txt", "@ocr", "..%2F[red]@ocr"])
def test_stray_files_are_no_open_stages(tmp_path: Path, stray: str) -> None:
    stages = OpenStages(tmp_path)
    stages.add(StageRef("a", "ocr"))
    (tmp_path / OWN_FOLDER / "open" / stray).touch()
    assert stages.all() == [StageRef("a", "ocr")]


def test_what_was_asked_for_is_kept_with_it(tmp_path: Path) -> None:
    OpenStages(tmp_path).add(StageRef("a", "ocr"), [(1, 3), (7, 7)])
    assert OpenStages(tmp_path).requested(StageRef("a", "ocr")) == [(1, 3), (7, 7)]
    OpenStages(tmp_path).add(StageRef("a", "ocr"), [(1, 9)])
    assert OpenStages(tmp_path).requested(StageRef("a", "ocr")) == [(1, 9)]


@pytest.mark.parametrize("content", [b"", b"{ torn", b"[[0, 1]]", b"[1, 2]"])
def test_where_it_cannot_be_told_nothing_was_asked_for(tmp_path: Path, content: bytes) -> None:
    stages = OpenStages(tmp_path)
    assert stages.requested(StageRef("a", "ocr")) == []
    stages.add(StageRef("a", "ocr"), [(1, 3)])
    (tmp_path / OWN_FOLDER / "open" / "a@ocr").write_bytes(content)
    assert stages.requested(StageRef("a", "ocr")) == []
    assert stages.all() == [StageRef("a", "ocr")]


def test_storage_that_fails_is_said(tmp_path: Path) -> None:
    (tmp_path / OWN_FOLDER).write_text("in the way")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        OpenStages(tmp_path).add(StageRef("a", "ocr"))

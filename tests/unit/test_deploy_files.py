"""The queues in deploy/ and docker-compose.yml are those of the stages that are registered."""

from pathlib import Path

import pytest

from docs_tools.deploy_files import FILES, with_queues
from tests.support.stages import CopyStage, StampStage
from tests.support.work_stage import WorkStage
from worker.stages.registry import STAGES


@pytest.fixture(autouse=True)
def _shipped_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = {name: STAGES[name] for name in STAGES if name != WorkStage.name}
    monkeypatch.setattr(STAGES, "_entries", shipped)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_has_the_queues_of_the_stages(path: Path) -> None:
    assert path.read_text() == with_queues(path.read_text()), "write it again: python -m docs_tools.deploy_files"


def test_a_new_stage_gets_its_queue_in_every_kind_of_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CopyStage, "uses_model", True)
    monkeypatch.setitem(STAGES, StampStage.name, StampStage)
    monkeypatch.setitem(STAGES, CopyStage.name, CopyStage)
    changed = {path.name: with_queues(path.read_text()) for path in FILES}
    compose = changed["docker-compose.yml"]
    assert '"-Q", "ocr,stamp", "--concurrency=' in compose
    assert '"-Q", "correction,fix,structure,copy", "--pool=threads"' in compose
    assert "-Q ocr,stamp --task-events" in changed["leafmark-ocr.service"]
    assert "-Q correction,fix,structure,copy --pool=threads" in changed["leafmark-models.service"]
    assert changed["scaling.yaml"].count("listName: leafmark:celery:copy\n") == 1

"""A book in a fake deployment that is read in part, for tests of commands about how it is read."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.support.fake_deployment import SCAN, STAGE, FakeDeployment, make_fake
from tests.support.stages import ReaderStage, register_last
from worker.config.settings import ENV_PREFIX
from worker.deployment import Deployment
from worker.stages.base import Stage
from worker.stages.registry import STAGES


def make_read_book(
    root: Path, monkeypatch: pytest.MonkeyPatch, pages: Iterable[int], *later: Stage, **settings: Any
) -> FakeDeployment:
    """A book of five pages in a fake that commands work on, with settings of its own.

    Args:
        root: the storage root; made.
        monkeypatch: for the length of the test.
        pages: that are complete; `ReaderStage` has read them.
        later: stages after that one.
        settings: those that differ from the defaults.
    """
    for name in ("engine", "lang", "typeface"):
        monkeypatch.delenv(f"{ENV_PREFIX}OCR_{name.upper()}", raising=False)
    made = make_fake(root, monkeypatch, **settings)
    monkeypatch.setitem(STAGES, STAGE, ReaderStage)
    for stage in later:
        register_last(monkeypatch, stage)
    made.parts = Deployment(made.settings, made.app, made.redis)
    monkeypatch.setattr("producer.open_deployment.Deployment", lambda *_, **__: made.another_process())
    made.write_scan()
    made.ask_for((1, 5))
    for page in pages:
        made.process(page)
    made.commit()
    return made


def json_of(done: Result) -> dict[str, Any]:
    """What a command that succeeded has printed with `--json`."""
    assert done.exit_code == 0, done.output
    form: dict[str, Any] = json.loads(done.stdout)
    return form


def stored(fake: FakeDeployment, field: str = "profile") -> Any:
    """A field of the metadata of the book, as it is stored; None if it is left out."""
    return json.loads(fake.parts.store.scan(SCAN).metadata_path.read_text()).get(field)

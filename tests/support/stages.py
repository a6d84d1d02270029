"""A stage as small as can be, which does as it is told: what the machinery around stages is tried on."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from pydantic import BaseModel, Field

from tests.support.waiting import HANG_SECONDS, wait_until
from worker.stages.base import PageOutput, Stage, StageInputs
from worker.stages.options import CorrectionOptions
from worker.stages.registry import STAGES

Act = Callable[[int], PageOutput]


class Stamp(PageOutput):
    text: str = Field(min_length=1)


class Empty(PageOutput):
    """An output of the wrong kind: the stage's schema refuses it."""


def stamp(page: int, text: str = "stamped") -> Stamp:
    return Stamp(page_number=page, text=text)


def raising(error: Exception) -> Act:
    def act(_page: int) -> PageOutput:
        raise error

    return act


class StampStage(Stage):
    """Keeps the pages it was run for in `runs`, and does with each what `act` says."""

    name = "stamp"
    output_dir = "stamps"
    schema = Stamp

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.runs: list[int] = []
        self.act: Act = stamp

    def run(self, page: int, _inputs: StageInputs) -> PageOutput:
        self.runs.append(page)
        return self.act(page)


class ReaderStage(StampStage):
    """Says by which settings it was made."""

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.act = lambda page: stamp(page, self.recipe)

    @property
    def recipe(self) -> str:
        return f"{self.options.ocr_engine} {self.options.ocr_lang}"


class LaterStage(Stage):
    """Stamps what the stamp stage has stamped. It counts as one that asks a model, and asks none."""

    name = "correction"
    output_dir = "corrected"
    depends_on = (StampStage.name,)
    schema = Stamp
    uses_model = True
    Options = CorrectionOptions
    recipe = "first instructions"

    def run(self, page: int, inputs: StageInputs) -> PageOutput:
        return stamp(page, f"{inputs.output(StampStage.name, page)['text']} again")


class CopyStage(StampStage):
    """Copies what the stamp stage wrote, once that has the pages around as well."""

    name = "copy"
    output_dir = "copies"
    depends_on = (StampStage.name,)
    context_pages = 1
    assembled_name = "all.json"

    def run(self, page: int, inputs: StageInputs) -> PageOutput:
        self.runs.append(page)
        return stamp(page, inputs.output(StampStage.name, page)["text"])

    def assemble(self, pages: Iterable[dict[str, Any]]) -> BaseModel:
        return Assembled(pages=[page["page_number"] for page in pages])


class Assembled(BaseModel):
    pages: list[int]


def register_last(monkeypatch: pytest.MonkeyPatch, *stages: type[Stage] | Stage) -> None:
    """Register stages behind all others but those that depend on them, for the length of a test."""
    entries = {stage.name: stage for stage in stages}
    others: dict[str, type[Stage] | Stage] = {}
    for name in STAGES:
        if name not in entries:
            place = entries if not entries.keys().isdisjoint(STAGES[name].depends_on) else others
            place[name] = STAGES[name]
    monkeypatch.setattr(STAGES, "_entries", others | entries)


class Gate:
    """Something to do for a stage that takes as long as the test wants: it ends when `go` is set."""

    def __init__(self) -> None:
        self._begun = threading.Event()
        self.go = threading.Event()

    def __call__(self, page: int) -> PageOutput:
        self._begun.set()
        assert self.go.wait(HANG_SECONDS), "the test never let the stage go on"
        return stamp(page)

    def wait_until_begun(self) -> None:
        wait_until(self._begun.is_set, 10, "the stage to begin")

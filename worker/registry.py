"""The stages that exist, in pipeline order. Adding one is a line here."""

import difflib
from collections.abc import Callable

from checkpointing.errors import UnknownNameError
from worker.engines.make import make_engine
from worker.settings import Settings
from worker.stages.base import Stage
from worker.stages.correction import CorrectionStage
from worker.stages.fix import FixStage
from worker.stages.ocr import OcrStage
from worker.stages.structure import StructureStage

STAGES: dict[str, Callable[[Settings], Stage]] = {
    OcrStage.name: lambda settings: OcrStage(make_engine(settings.ocr_engine, settings.ocr_lang)),
    CorrectionStage.name: lambda settings: CorrectionStage(vision=settings.correction_vision),
    FixStage.name: lambda _settings: FixStage(),
    StructureStage.name: lambda _settings: StructureStage(),
}


def make_stage(name: str, settings: Settings) -> Stage:
    """The stage of that name, made from the settings. Nothing heavy is loaded yet.

    Raises:
        UnknownNameError: there is no such stage.
    """
    if name not in STAGES:
        close = difflib.get_close_matches(name, STAGES, n=1)
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        raise UnknownNameError(f"there is no stage {name!r}{meant}; there is: {', '.join(STAGES)}")
    return STAGES[name](settings)

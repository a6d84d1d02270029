"""The stages that exist, in pipeline order. Adding one is a function and a line here.

A stage is imported when it is made: a command that only needs the names, such as a completion on Tab, loads none.
"""

from collections.abc import Callable

from checkpointing.errors import UnknownNameError
from worker.config.settings import Settings
from worker.stages.base import Stage, asks_model
from worker.text.suggestions import closest


def _ocr(settings: Settings) -> Stage:
    from worker.ocr.engines.registry import make_engine
    from worker.stages.ocr import OcrStage

    return OcrStage(make_engine(settings.ocr_engine, settings.ocr_lang))


def _correction(settings: Settings) -> Stage:
    from worker.stages.correction import CorrectionStage

    return CorrectionStage(vision=settings.correction_vision)


def _fix(_settings: Settings) -> Stage:
    from worker.stages.fix import FixStage

    return FixStage()


def _structure(_settings: Settings) -> Stage:
    from worker.stages.structure import StructureStage

    return StructureStage()


STAGES: dict[str, Callable[[Settings], Stage]] = {
    "ocr": _ocr,
    "correction": _correction,
    "fix": _fix,
    "structure": _structure,
}


def make_stage(name: str, settings: Settings) -> Stage:
    """The stage of that name, made from the settings. Nothing heavy is loaded yet.

    Raises:
        UnknownNameError: there is no such stage.
    """
    if name not in STAGES:
        close = closest(name, STAGES)
        meant = f" (did you mean {close!r}?)" if close else ""
        raise UnknownNameError(f"there is no stage {name!r}{meant}; there is: {', '.join(STAGES)}")
    return STAGES[name](settings)


def stage_asks_model(name: str) -> bool:
    """Return whether the stage of that name asks a language model.

    Raises:
        UnknownNameError: there is no such stage.
    """
    # The defaults will do: no setting decides it.
    return asks_model(make_stage(name, Settings.model_construct()))


def missing_settings(name: str, settings: Settings) -> list[str]:
    """Return the variables without which a stage cannot ask its model; none for a stage that asks none.

    Raises:
        UnknownNameError: there is no such stage.
    """
    return settings.missing_for(name) if stage_asks_model(name) else []

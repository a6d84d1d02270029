"""The stages that exist, in pipeline order, and the rules that each of them keeps.

A new stage of Leafmark's own is a module in this folder, and a line in `STAGES`; a plug-in is found by its entry
point (`worker.plugins`). `docs/adding-a-stage.md` shows one.
"""

import re
from collections.abc import Sequence
from typing import Any

from checkpointing.errors import UnknownNameError
from worker.plugins import STAGES_GROUP, PluginError, Registry, check_option_names
from worker.stages.base import PageOutput, Stage
from worker.text.suggestions import closest

_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
# What else a scan's folder has.
_TAKEN_FOLDERS = frozenset({"checkpoints", "ledger", "source"})


def check_stage(stage: type[Stage] | Stage, earlier: Sequence[str]) -> None:
    """Check that a stage, which is a class or as in tests an instance, keeps the rules.

    Raises:
        PluginError: it breaks one; names the stage and the rule.
    """
    kind = stage if isinstance(stage, type) else type(stage)
    if not issubclass(kind, Stage):
        raise PluginError(f"{kind.__name__} is not a subclass of worker.stages.base.Stage")
    name = getattr(kind, "name", "")
    if not _NAME.fullmatch(name):
        raise PluginError(
            f"the stage name {name!r} must be lower-case letters, digits and _, and begin with a letter"
        )
    if not _NAME.fullmatch(kind.output_dir) or kind.output_dir in _TAKEN_FOLDERS:
        raise PluginError(f"the stage {name!r} cannot write to the folder {kind.output_dir!r}; choose another")
    if not issubclass(getattr(kind, "schema", object), PageOutput):
        raise PluginError(f"the stage {name!r} needs a `schema` that is a subclass of PageOutput")
    _check_order(kind, earlier)
    check_option_names("stage", name, kind.Options)
    if kind.uses_model and f"{name}_model" not in kind.Options.model_fields:
        raise PluginError(f"the stage {name!r} uses a model, so its Options need a field `{name}_model: str`")


def _check_order(stage: type[Stage] | Stage, earlier: Sequence[str]) -> None:
    for needed in stage.depends_on:
        if needed not in earlier:
            raise PluginError(
                f"the stage {stage.name!r} depends on {needed!r}, which is not registered before it; "
                f"register {needed!r} first, or install the package that brings it"
            )


STAGES: Registry[Stage] = Registry(
    STAGES_GROUP,
    {
        "ocr": "worker.stages.ocr:OcrStage",
        "correction": "worker.stages.correction:CorrectionStage",
        "fix": "worker.stages.fix:FixStage",
        "structure": "worker.stages.structure:StructureStage",
    },
    check_stage,
)


def register(stage: type[Stage]) -> None:
    """Add a stage to those of this process; a package adds one to all processes with an entry point.

    Raises:
        PluginError: the name is taken, or the stage breaks a rule.
    """
    STAGES.register(stage.name, stage)


def find_stage(name: str) -> type[Stage] | Stage:
    """Return the class of the stage with that name.

    Raises:
        UnknownNameError: there is no such stage, or its plug-in cannot be used.
        PluginError: it was put before a stage that it depends on.
    """
    if name in STAGES.broken:
        raise UnknownNameError(f"there is no stage {name!r}: {STAGES.broken[name]}")
    if name not in STAGES:
        close = closest(name, STAGES)
        meant = f" (did you mean {close!r}?)" if close else ""
        raise UnknownNameError(f"there is no stage {name!r}{meant}; stages: {', '.join(STAGES)}")
    names = list(STAGES)
    _check_order(STAGES[name], names[: names.index(name)])
    return STAGES[name]


def make_stage(name: str, settings: Any) -> Stage:
    """Make the stage with that name, which reads the fields of its own `Options`. It loads nothing heavy yet.

    Raises:
        UnknownNameError: there is no such stage, or its plug-in cannot be used.
        SettingsError: it cannot be made by these settings.
    """
    stage = find_stage(name)
    return stage(settings) if isinstance(stage, type) else stage


def uses_model(name: str) -> bool:
    """Return whether the stage with that name, which must exist, asks a language model."""
    return find_stage(name).uses_model


def missing_settings(name: str, settings: Any) -> list[str]:
    """Return the variables that an existing stage still needs to ask its model; none for one that asks none."""
    missing: list[str] = settings.missing_for(name) if uses_model(name) else []
    return missing

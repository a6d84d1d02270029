"""The OCR engines that exist: the built-in ones, and those of plug-ins (`worker.plugins`)."""

from collections.abc import Sequence
from typing import Any

from checkpointing.errors import SettingsError
from worker.ocr.engines.base import Engine
from worker.plugins import ENGINES_GROUP, PluginError, Registry, check_option_names


def check_rules(engine: type[Engine] | Engine, _earlier: Sequence[str]) -> None:
    """Check that an engine keeps the rules.

    Raises:
        PluginError: it breaks one.
    """
    kind = engine if isinstance(engine, type) else type(engine)
    if not issubclass(kind, Engine):
        raise PluginError(f"{kind.__name__} is not a subclass of worker.ocr.engines.base.Engine")
    for attribute in ("name", "package", "languages"):
        if not isinstance(getattr(kind, attribute, None), str):
            raise PluginError(f"the engine {kind.__name__} needs a text `{attribute}`")
    check_option_names("engine", kind.name, kind.Options)


ENGINES: Registry[Engine] = Registry(
    ENGINES_GROUP,
    {
        "rapidocr": "worker.ocr.engines.rapid.engine:RapidOcr",
        "tesseract": "worker.ocr.engines.tesseract:Tesseract",
    },
    check_rules,
)


def check_engine(name: str) -> str:
    """Return the name, if there is an engine with it.

    Raises:
        ValueError: there is none.
    """
    if name in ENGINES.broken:
        raise ValueError(ENGINES.broken[name])
    if name not in ENGINES:
        raise ValueError(f"there is no OCR engine {name!r}; choose {' or '.join(ENGINES)}")
    return name


def takes_language(name: str) -> bool:
    """Return whether the setting `ocr_lang` has an effect with an engine; true for an engine that is not here."""
    return name not in ENGINES or ENGINES[name].takes_language


def make_engine(options: Any) -> Engine:
    """Make the engine that the settings name, without loading it.

    Args:
        options: settings with `ocr_engine`, `ocr_lang` and the engine's own.

    Raises:
        SettingsError: there is no engine of that name.
    """
    try:
        engine = ENGINES[check_engine(options.ocr_engine)]
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return engine(options) if isinstance(engine, type) else engine

"""The OCR engines that exist: the built-in ones, and those of plug-ins (`worker.plugins`)."""

from collections.abc import Sequence
from typing import Any

from checkpointing.errors import SettingsError
from worker.ocr.engines.base import Engine
from worker.ocr.engines.languages import tags_of
from worker.plugins import ENGINES_GROUP, PluginError, Registry, check_option_names

AUTO = "auto"
"""The value of the setting `ocr_engine` that chooses an engine by language and typeface."""


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
    """Return the name, if there is an engine with it or it is `auto`.

    Raises:
        ValueError: there is none.
    """
    if name in ENGINES.broken:
        raise ValueError(ENGINES.broken[name])
    if name != AUTO and name not in ENGINES:
        raise ValueError(f"there is no OCR engine {name!r}; choose {' or '.join(ENGINES)}, or {AUTO}")
    return name


def takes_language(name: str) -> bool:
    """Return whether languages and typeface have an effect with an engine, or with `auto`.

    True for an engine that is not here.
    """
    return name not in ENGINES or ENGINES[name].takes_language


def choose_engine(name: str, lang: str, typeface: str) -> str:
    """Return the name of the engine; for `auto` the first one that reads all the languages in the typeface.

    Args:
        name: of an engine, or `auto`.
        lang: languages as the setting `ocr_lang` has them.
        typeface: `antiqua` or `fraktur`.

    Raises:
        SettingsError: no engine reads them.
    """
    if name != AUTO:
        return name
    tags = tags_of(lang)
    chosen = next((each for each, engine in ENGINES.items() if engine.reads(tags, typeface)), None)
    if chosen is None:
        raise SettingsError(f"no OCR engine reads {lang} in {typeface}; name one: {' or '.join(ENGINES)}")
    return chosen


def make_engine(options: Any) -> Engine:
    """Make the engine that the settings name or that they choose with `auto`, without loading it.

    Args:
        options: settings with `ocr_engine`, `ocr_lang`, `ocr_typeface` and the engine's own.

    Raises:
        SettingsError: there is no engine of that name.
    """
    try:
        named = check_engine(options.ocr_engine)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    engine = ENGINES[choose_engine(named, options.ocr_lang, options.ocr_typeface)]
    return engine(options) if isinstance(engine, type) else engine

"""All settings, in one class. Each is an environment variable: `LEAFMARK_` and the name in capitals.

A setting that is not in the environment is taken from the config file (`worker.config.config_file`), and then from
its default.
"""

import math
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from checkpointing.errors import SettingsError
from worker.config.core_settings import ENV_PREFIX, CoreSettings
from worker.config.setting_sources import describe_faults, find_origins
from worker.llm.local_servers import is_local
from worker.llm.prices import PriceBook
from worker.ocr.engines.registry import ENGINES, choose_engine, takes_language
from worker.pages.book_profile import BookProfile
from worker.plugins import Options
from worker.stages.options import (
    DEFAULT_LANGUAGE,
    CorrectionOptions,
    FixOptions,
    OcrOptions,
    StructureOptions,
)
from worker.stages.registry import STAGES

__all__ = ["ENV_PREFIX", "PROFILE_SETTINGS", "Settings", "load_settings", "settings_class"]

PROFILE_SETTINGS = {
    "dpi": "dpi",
    "lang": "ocr_lang",
    "typeface": "ocr_typeface",
    "engine": "ocr_engine",
    "rotate": "ocr_rotate",
    "deskew": "ocr_deskew",
    "crop": "ocr_crop",
    "spreads": "spreads",
}
"""The setting that each field of a profile takes the place of."""

_CALL_SECONDS = 120.0
# Without a graphics card a model writes a few tokens a second, and the answer for a page has a thousand or more.
_LOCAL_CALL_SECONDS = 1800.0
# For what a page waits for beside one call: its turn, room in the budget, pauses after failures.
_AROUND_A_CALL_SECONDS = 300


class Settings(StructureOptions, FixOptions, CorrectionOptions, OcrOptions, CoreSettings):
    """All settings, those of the built-in stages included; `settings_class` adds those of plug-ins."""

    def model(self, stage: str) -> str:
        """Return the model that a stage asks; empty where none is set, or where the stage asks none."""
        return str(getattr(self, f"{stage}_model", "")).strip()

    def missing_for(self, stage: str) -> list[str]:
        """Return the variables that a stage which uses a model still needs."""
        needed = {
            "llm_base_url": self.llm_base_url,
            "llm_api_key": self.llm_api_key.get_secret_value(),
            f"{stage}_model": self.model(stage),
        }
        return [f"{ENV_PREFIX}{name.upper()}" for name, value in needed.items() if not value]

    def price_book(self) -> PriceBook:
        """Return the prices of models: those that are set, and for other models the listed ones."""
        return PriceBook(self.prices, self.llm_base_url)

    @property
    def provider(self) -> str:
        """The host of the server of language models; empty where none is set."""
        try:
            return urlsplit(self.llm_base_url).hostname or ""
        except ValueError:
            # The client reports what is wrong with it.
            return ""

    @property
    def call_seconds(self) -> float:
        """The timeout of one call of a model, in seconds."""
        if self.llm_seconds is not None:
            return self.llm_seconds
        return _LOCAL_CALL_SECONDS if is_local(self.provider) else _CALL_SECONDS

    def with_profile(self, profile: BookProfile) -> "Settings":
        """Return these settings with the values that the profile of a book has in their place.

        Raises:
            SettingsError: the engine is `auto`, and no engine reads the languages.
        """
        if profile.is_empty:
            return self
        given = {PROFILE_SETTINGS[name]: value for name, value in profile.model_dump().items()}
        wanted = self.model_copy(update=given)
        read_by = {"ocr_engine": wanted.chosen_engine}
        # An engine that ignores the language would be loaded again, and take its memory again, for each language.
        if not takes_language(wanted.chosen_engine):
            read_by |= {"ocr_lang": self.ocr_lang, "ocr_typeface": self.ocr_typeface}
        return wanted.model_copy(update=read_by)

    @property
    def chosen_engine(self) -> str:
        """The engine of a book without a profile: with `ocr_engine=auto` the one that reads the languages.

        Raises:
            SettingsError: no engine reads them.
        """
        return choose_engine(self.ocr_engine, self.ocr_lang, self.ocr_typeface)

    @property
    def ignored_language(self) -> str:
        """Why the selected language has no effect, and what to do, in one line; empty where it has an effect."""
        if self.ocr_lang == DEFAULT_LANGUAGE or takes_language(self.ocr_engine):
            return ""
        return (
            f"{ENV_PREFIX}OCR_LANG={self.ocr_lang} has no effect, because the engine {self.ocr_engine} ignores "
            f"it; set {ENV_PREFIX}OCR_ENGINE=tesseract, or unset {ENV_PREFIX}OCR_LANG"
        )

    def soft_seconds(self, stage: str) -> int:
        """Return the soft limit of a stage.

        Where no limit is set for the stage or for all stages, a page has the time that a call of its model takes.
        """
        if stage in self.stage_seconds:
            return self.stage_seconds[stage]
        if "page_seconds" in self.model_fields_set or not self.model(stage):
            return self.page_seconds
        return max(self.page_seconds, math.ceil(self.call_seconds) + _AROUND_A_CALL_SECONDS)

    def hard_seconds(self, stage: str) -> int:
        """Return the hard limit of a stage, at which the process of a page is killed."""
        return self.soft_seconds(stage) + self.stage_grace_seconds.get(stage, self.page_grace_seconds)

    @property
    def longest_seconds(self) -> int:
        """The highest hard limit of all stages."""
        asking = [name.removesuffix("_model") for name in type(self).model_fields if name.endswith("_model")]
        return max(
            self.hard_seconds(stage) for stage in ("", *asking, *self.stage_seconds, *self.stage_grace_seconds)
        )

    @property
    def root(self) -> Path:
        """The storage root as an absolute path."""
        return self.storage_root.expanduser().absolute()


def settings_class() -> type[Settings]:
    """Return the class of all settings, those of the plug-ins included; loads the plug-ins."""
    ENGINES.load_plugins()
    STAGES.load_plugins()
    added = (entry.Options for registry in (STAGES, ENGINES) for entry in registry.added())
    return _merged(tuple(dict.fromkeys(options for options in added if not issubclass(Settings, options))))


@cache
def _merged(options: tuple[type[Options], ...]) -> type[Settings]:
    # The last of the bases has its fields first.
    return type("Settings", (*reversed(options), Settings), {"__module__": __name__}) if options else Settings


def load_settings(warn: Callable[[str], object] = lambda line: sys.stderr.write(f"leafmark: {line}\n")) -> Settings:
    """Return the settings in force.

    Args:
        warn: called with one line for each plug-in that cannot be used, config file with a secret that others may
            read, and setting that has no effect.

    Raises:
        SettingsError: values are not allowed, or the config file cannot be used; names each setting with its value
            and its place.
    """
    known = settings_class()
    for line in (*ENGINES.broken.values(), *STAGES.broken.values()):
        warn(line)
    origins = find_origins(ENV_PREFIX, known.model_fields)
    for line in origins.warnings():
        warn(line)
    try:
        settings = known()
    except ValidationError as error:
        raise SettingsError(f"wrong settings: {describe_faults(error.errors(), origins)}") from None
    if settings.ignored_language:
        warn(settings.ignored_language)
    return settings

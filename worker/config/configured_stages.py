"""The stages of one deployment, as its settings and the profiles of its books configure them."""

from functools import cache, lru_cache

from worker.config.settings import Settings
from worker.pages.metadata import ScanMetadata
from worker.stages.base import Stage
from worker.stages.registry import make_stage

# Engines of books with a profile of their own, beside that of the settings; each may hold half a gigabyte.
_CACHED_ENGINES = 3


class ConfiguredStages:
    """Makes each stage of a deployment once: a stage holds its engine."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.get = cache(lambda name: make_stage(name, settings))
        self._with_engine = lru_cache(_CACHED_ENGINES)(self._make_with_engine)

    def settings_for(self, metadata: ScanMetadata) -> Settings:
        """Return the settings for a book: its profile overrides those of the deployment."""
        return self.settings.with_profile(metadata.profile)

    def get_for(self, metadata: ScanMetadata, name: str) -> Stage:
        """Return a stage with the engine and the language of a book's profile.

        Raises:
            UnknownNameError: there is no such stage.
            SettingsError: there is no such engine.
        """
        stage = self.get(name)
        # Only a stage that reads the source has an engine.
        if stage.depends_on:
            return stage
        wanted = _read_by(self.settings_for(metadata))
        return stage if wanted == _read_by(self.settings) else self._with_engine(name, *wanted)

    def _make_with_engine(self, name: str, engine: str, lang: str, typeface: str) -> Stage:
        read_by = {"ocr_engine": engine, "ocr_lang": lang, "ocr_typeface": typeface}
        return make_stage(name, self.settings.model_copy(update=read_by))


def _read_by(settings: Settings) -> tuple[str, str, str]:
    return settings.chosen_engine, settings.ocr_lang, settings.ocr_typeface

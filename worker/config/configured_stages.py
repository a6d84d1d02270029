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
        own, wanted = self.settings, self.settings_for(metadata)
        # Only a stage that reads the source has an engine.
        if stage.depends_on or (wanted.ocr_engine, wanted.ocr_lang) == (own.ocr_engine, own.ocr_lang):
            return stage
        return self._with_engine(name, wanted.ocr_engine, wanted.ocr_lang)

    def _make_with_engine(self, name: str, engine: str, lang: str) -> Stage:
        return make_stage(name, self.settings.model_copy(update={"ocr_engine": engine, "ocr_lang": lang}))

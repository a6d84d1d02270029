"""The stages of one deployment, as its settings and the profiles of its books configure them."""

from functools import cache, lru_cache

from checkpointing.errors import SettingsError
from worker.config.settings import PROFILE_SETTINGS, Settings
from worker.ocr.engines.languages import FRAKTUR, tags_of
from worker.ocr.engines.needs import Need, needs_of, queue_name, stage_of
from worker.ocr.engines.registry import takes_language
from worker.pages.book_profile import NO_PROFILE, BookProfile
from worker.pages.geometry.settings import GeometrySettings
from worker.pages.metadata import ScanMetadata
from worker.stages.base import Stage
from worker.stages.options import DEFAULT_LANGUAGE
from worker.stages.registry import make_stage

# Engines of profiles that differ from the settings, beside that of the settings; each may hold half a gigabyte.
_CACHED_ENGINES = 3


class ConfiguredStages:
    """Makes each stage of a deployment once: a stage holds its engine.

    Args:
        settings: of the deployment.
        as_enqueued: whether what a book's profile leaves open is as it was at the last enqueue, and not as these
            settings have it. So are pages read in workers, whose settings may differ from machine to machine.
    """

    def __init__(self, settings: Settings, *, as_enqueued: bool = False) -> None:
        self.settings = settings
        self._as_enqueued = as_enqueued
        self.get = cache(lambda name: make_stage(name, settings))
        self._with_engine = lru_cache(_CACHED_ENGINES)(self._make_with_engine)

    @property
    def defaults(self) -> BookProfile:
        """What the settings of this process give for a book without a profile."""
        return BookProfile(**{name: getattr(self.settings, each) for name, each in PROFILE_SETTINGS.items()})

    def settings_for(self, metadata: ScanMetadata, page: int) -> Settings:
        """Return the settings for a page of a book: its profile overrides those of the deployment."""
        defaults = metadata.defaults if self._as_enqueued else NO_PROFILE
        return self.settings.with_profile(defaults.changed_by(metadata.profile_of(page)))

    def named_languages(self, metadata: ScanMetadata, page: int) -> tuple[str, ...]:
        """Return the languages of a page that a person named, in its profile or in a setting of its engine.

        Returns:
            BCP 47 tags; a name of Tesseract's data files that is not a language stays as it is. Empty if none are
            named: the default language of an engine that ignores it says nothing about the book.

        Raises:
            SettingsError: the engine is `auto`, and no engine reads the languages.
        """
        lang = metadata.profile_of(page).lang
        if lang is None:
            settings = self.settings_for(metadata, page)
            # With Fraktur, Tesseract also reads with German data, beside the default language.
            unnamed = settings.ocr_lang == DEFAULT_LANGUAGE and settings.ocr_typeface == FRAKTUR
            if unnamed or not takes_language(settings.chosen_engine):
                return ()
            lang = settings.ocr_lang
        return tuple(tags_of(lang))

    def get_for(self, metadata: ScanMetadata, name: str, page: int) -> Stage:
        """Return a stage with the engine, the language and the geometry of the profile of a page.

        Raises:
            UnknownNameError: there is no such stage.
            SettingsError: there is no such engine.
        """
        stage = self.get(name)
        # Only a stage that reads the source has an engine.
        if stage.depends_on:
            return stage
        settings = self.settings_for(metadata, page)
        wanted = _read_by(settings)
        found = stage if wanted == _read_by(self.settings) else self._with_engine(name, *wanted)
        same_geometry = GeometrySettings.of(settings) == GeometrySettings.of(self.settings)
        return found if same_geometry else found.with_options(settings)

    def queue_of(self, metadata: ScanMetadata, name: str) -> str:
        """Return the queue of a book's pages in a stage: that of the stage, or a dedicated one.

        The same on every machine, once the book was enqueued. All pages of a book go through one queue: a worker
        that serves it can read each of them.
        """
        if not self.get(name).has_engine:
            return name
        try:
            profiles = map(metadata.defaults.changed_by, metadata.profiles())
            return queue_name(name, [Need(*_read_by(self.settings.with_profile(each))) for each in profiles])
        except SettingsError:
            # No engine reads the languages; the page reports it.
            return name

    def check_can_serve(self, queue: str) -> None:
        """Check that pages from a queue can be read here. Loads nothing.

        Raises:
            UnknownNameError: there is no such stage.
            SettingsError: an engine or its language data is not installed, or the name of the queue was forged.
        """
        self.get(stage_of(queue))
        for need in needs_of(queue):
            need.check(self.settings)

    def _make_with_engine(self, name: str, engine: str, lang: str, typeface: str) -> Stage:
        read_by = {"ocr_engine": engine, "ocr_lang": lang, "ocr_typeface": typeface}
        return make_stage(name, self.settings.model_copy(update=read_by))


def _read_by(settings: Settings) -> tuple[str, str, str]:
    return settings.chosen_engine, settings.ocr_lang, settings.ocr_typeface

"""Every setting, in one class. Each is an environment variable: LEAFMARK_ and the name in capitals.

What the environment does not say may stand in a config file (`worker.config.config_file`); the rest has defaults.
"""

import math
import sys
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from checkpointing.errors import SettingsError
from checkpointing.manager import DEFAULT_STORAGE_ROOT
from worker.billing.prices import Price, PriceBook, parse_prices, prices_of_table
from worker.config.config_file import ConfigFileSource
from worker.config.redis_url import check_redis_url
from worker.config.setting_sources import describe_faults, find_origins
from worker.llm.local_servers import is_local
from worker.ocr.engines.registry import ENGINES, takes_language
from worker.pages.book_profile import MAXIMUM_DPI, MINIMUM_DPI, BookProfile
from worker.pages.sources.base import DEFAULT_DPI, DEFAULT_MAX_PIXELS
from worker.plugins import Options
from worker.stages.options import (
    DEFAULT_LANGUAGE,
    CorrectionOptions,
    FixOptions,
    OcrOptions,
    StructureOptions,
)
from worker.stages.registry import STAGES

ENV_PREFIX = "LEAFMARK_"
_CALL_SECONDS = 120.0
# A model on a machine without a graphics card writes a few tokens a second, and a page takes a thousand and more.
_LOCAL_CALL_SECONDS = 1800.0
# What a page may take beside one call: its turn, room in the budget, pauses after failures.
_AROUND_A_CALL_SECONDS = 300


class CoreSettings(BaseSettings):
    """Settings that belong to no single stage or engine. The descriptions make docs/reference/settings.md."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic-settings passes all four
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where values come from: the first that has one decides."""
        return init_settings, env_settings, ConfigFileSource(settings_cls)

    storage_root: Annotated[Path, Field(description="Folder of all scans, shared by all machines.")] = (
        DEFAULT_STORAGE_ROOT
    )
    redis_url: Annotated[
        str,
        AfterValidator(check_redis_url),
        Field(description="Broker: `redis://`, `rediss://` or `unix://`."),
    ] = "redis://localhost:6379/0"
    key_prefix: Annotated[
        str,
        Field(description="Starts every Redis key of this deployment.", pattern=r"^[A-Za-z0-9:_-]{0,50}$"),
    ] = "leafmark:"
    dpi: Annotated[
        int,
        Field(
            description="Minimum resolution at which PDF pages are rendered; "
            "pages with finer pictures are rendered at theirs.",
            ge=MINIMUM_DPI,
            le=MAXIMUM_DPI,
        ),
    ] = DEFAULT_DPI
    max_pixels: Annotated[
        int, Field(description="Most pixels of a page image in memory.", ge=1_000_000, le=1_000_000_000)
    ] = DEFAULT_MAX_PIXELS
    max_attempts: Annotated[
        int, Field(description="Attempts a page gets before it is quarantined.", ge=1, le=100)
    ] = 3
    claim_seconds: Annotated[
        float,
        Field(description="Lease on a page; renewed every third of it during the work.", ge=1, le=3600),
    ] = 9.0
    heal_seconds: Annotated[
        float, Field(description="How often a reconciler looks for pages that got lost.", ge=0.2, le=600)
    ] = 2.0
    page_seconds: Annotated[
        int,
        Field(description="A page that takes longer is stopped: a failed attempt (soft limit).", ge=1, le=86_400),
    ] = 600
    page_grace_seconds: Annotated[
        int,
        Field(description="A page that cannot be stopped is killed so much later (hard limit).", ge=1, le=86_400),
    ] = 60
    stage_seconds: Annotated[
        dict[str, Annotated[int, Field(ge=1, le=86_400)]],
        NoDecode,
        Field(description="Soft limits of single stages: `ocr=120,structure=60`."),
    ] = {}
    stage_grace_seconds: Annotated[
        dict[str, Annotated[int, Field(ge=1, le=86_400)]],
        NoDecode,
        Field(description="Likewise, how much later their hard limits are."),
    ] = {}
    page_megabytes: Annotated[
        int,
        Field(description="Memory that a page's process may take, in MB; prefork pools.", ge=256, le=1_048_576),
    ] = 4096
    llm_base_url: Annotated[
        str,
        Field(
            description="OpenAI-compatible server of language models: `https://…/v1`.", pattern=r"^(https?://.+)?$"
        ),
    ] = ""
    llm_api_key: Annotated[SecretStr, Field(description="Key for it; any word where it asks for none.")] = (
        SecretStr("")
    )
    llm_seconds: Annotated[
        float | None,
        Field(
            description="Seconds that one call of a model may take; none: 120, and 1800 for a server on this "
            "machine or in a private network.",
            ge=1,
            le=43_200,
        ),
    ] = None
    llm_tries: Annotated[
        int, Field(description="How often a call is made again when the provider fails.", ge=0, le=100)
    ] = 5
    llm_requests_per_minute: Annotated[
        int | None, Field(description="Most calls a minute of one model, over all machines; none: no limit.", ge=1)
    ] = None
    llm_tokens_per_minute: Annotated[
        int | None, Field(description="Most tokens a minute, likewise; counted before the call, about.", ge=1)
    ] = None
    prices: Annotated[
        dict[str, Price],
        NoDecode,
        Field(
            description="Prices of models in USD per million tokens, in/out or in/out/cached: "
            "`my-model=0.15/0.60, other=1/2/0.1`."
        ),
    ] = {}
    budget_usd: Annotated[
        Decimal | None,
        Field(description="Most that a scan may cost over all runs, in USD; `--budget` sets that of one.", ge=0),
    ] = None
    metrics_port: Annotated[
        int | None,
        Field(
            description="Port on which a worker shows metrics to Prometheus, one of its own for each on a machine; "
            "none: it counts nothing.",
            ge=1,
            le=65_535,
        ),
    ] = None
    metrics_host: Annotated[
        str, Field(description="Address that it listens on; whoever reaches it may read.", min_length=1)
    ] = "127.0.0.1"
    tracing: Annotated[
        bool, Field(description="Traces by OpenTelemetry, sent where `OTEL_…` say; needs `leafmark[otel]`.")
    ] = False
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Field(description="Minimum log level; a worker's `--loglevel` goes before it on its console."),
    ] = "INFO"
    log_format: Annotated[
        Literal["text", "json"],
        Field(description="Log lines of a worker: `text`, or `json` for programs that collect them."),
    ] = "text"

    @field_validator("storage_root", mode="before")
    @classmethod
    def _names_a_folder(cls, root: Path | str) -> Path | str:
        if not isinstance(root, Path | str):
            raise ValueError("it is no path")  # noqa: TRY004  # pydantic takes a ValueError for a wrong value
        # An empty value would be the folder one happens to stand in.
        if not str(root):
            raise ValueError("it names no folder")
        try:
            Path(root).expanduser()
        except RuntimeError:
            raise ValueError("there is no such user") from None
        return root

    @field_validator("stage_seconds", "stage_grace_seconds", mode="before")
    @classmethod
    def _by_stage(cls, given: dict[str, int] | str) -> dict[str, str] | dict[str, int]:
        """`ocr=120,structure=60` as a dict."""
        if not isinstance(given, str):
            return given
        pairs = (part.partition("=") for part in given.split(",") if part.strip())
        return {stage.strip(): seconds.strip() for stage, _, seconds in pairs}

    @field_validator("prices", mode="before")
    @classmethod
    def _by_model(cls, given: dict[str, Any] | str) -> dict[str, Price]:
        if isinstance(given, dict):
            return prices_of_table(given)
        # What is neither is refused by its type.
        return parse_prices(given) if isinstance(given, str) else given

    @field_validator(
        "llm_seconds",
        "llm_requests_per_minute",
        "llm_tokens_per_minute",
        "budget_usd",
        "metrics_port",
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, given: object) -> object:
        return None if given == "" else given


class Settings(StructureOptions, FixOptions, CorrectionOptions, OcrOptions, CoreSettings):
    """All settings, those of the built-in stages included; `settings_class` adds those of plug-ins."""

    def model(self, stage: str) -> str:
        """Return the model that a stage asks; empty where none is set, or where the stage asks none."""
        return str(getattr(self, f"{stage}_model", "")).strip()

    def missing_for(self, stage: str) -> list[str]:
        """The variables that a stage which asks a model needs; `worker.stages.registry` knows which stages do."""
        needed = {
            "llm_base_url": self.llm_base_url,
            "llm_api_key": self.llm_api_key.get_secret_value(),
            f"{stage}_model": self.model(stage),
        }
        return [f"{ENV_PREFIX}{name.upper()}" for name, value in needed.items() if not value]

    def price_book(self) -> PriceBook:
        """What models cost: as set, or as listed."""
        return PriceBook(self.prices, self.llm_base_url)

    @property
    def provider(self) -> str:
        """Host of the server of language models; empty where none is set."""
        try:
            return urlsplit(self.llm_base_url).hostname or ""
        except ValueError:
            # What is wrong with it is said by the client.
            return ""

    @property
    def call_seconds(self) -> float:
        """How long one call of a model may take."""
        if self.llm_seconds is not None:
            return self.llm_seconds
        return _LOCAL_CALL_SECONDS if is_local(self.provider) else _CALL_SECONDS

    def with_profile(self, profile: BookProfile) -> "Settings":
        """Return the settings by which a book with this profile is read: these, with what the profile says."""
        if profile.is_empty:
            return self
        engine = profile.engine or self.ocr_engine
        # An engine that ignores the language would be loaded again, and take its memory again, for each language.
        lang = (takes_language(engine) and profile.lang) or self.ocr_lang
        return self.model_copy(update={"dpi": profile.dpi or self.dpi, "ocr_engine": engine, "ocr_lang": lang})

    @property
    def ignored_language(self) -> str:
        """Why the language that is set has no effect, and what to do, in one line; empty where it has."""
        if self.ocr_lang == DEFAULT_LANGUAGE or takes_language(self.ocr_engine):
            return ""
        return (
            f"{ENV_PREFIX}OCR_LANG={self.ocr_lang} has no effect, because the engine {self.ocr_engine} takes no "
            f"notice of it; set {ENV_PREFIX}OCR_ENGINE=tesseract, which does, or leave OCR_LANG away"
        )

    def soft_seconds(self, stage: str) -> int:
        """When a page of a stage is told that it takes too long.

        Where nothing is set for the stage or for all, a page has the time that one call of its model may take.
        """
        if stage in self.stage_seconds:
            return self.stage_seconds[stage]
        if "page_seconds" in self.model_fields_set or not self.model(stage):
            return self.page_seconds
        return max(self.page_seconds, math.ceil(self.call_seconds) + _AROUND_A_CALL_SECONDS)

    def hard_seconds(self, stage: str) -> int:
        """When the process of a page that did not listen is ended."""
        return self.soft_seconds(stage) + self.stage_grace_seconds.get(stage, self.page_grace_seconds)

    @property
    def longest_seconds(self) -> int:
        """The longest that a page of any stage may take."""
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
    """The settings in force.

    Args:
        warn: told in one line of a config file with a secret that others may read, and of a setting that has no
            effect beside another.

    Raises:
        SettingsError: one or more have values that are not allowed, or the config file cannot be used; names each
            with its value, and where it stands.
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

"""The settings that belong to no single stage or engine, with their defaults, limits and descriptions."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from checkpointing.manager import DEFAULT_STORAGE_ROOT
from worker.config.config_file import ConfigFileSource
from worker.config.redis_url import check_redis_url
from worker.llm.prices import Price, parse_prices, prices_of_table
from worker.pages.book_profile import MAXIMUM_DPI, MINIMUM_DPI
from worker.pages.geometry.settings import Spreads
from worker.pages.sources.base import DEFAULT_DPI, DEFAULT_MAX_PIXELS

ENV_PREFIX = "LEAFMARK_"


class CoreSettings(BaseSettings):
    """Settings that belong to no single stage or engine. Their docstrings make docs/reference/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic-settings passes all four
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of values; the first that has a value decides."""
        return init_settings, env_settings, ConfigFileSource(settings_cls)

    storage_root: Path = DEFAULT_STORAGE_ROOT
    """Folder of all scans, shared by all machines."""
    redis_url: Annotated[str, AfterValidator(check_redis_url)] = "redis://localhost:6379/0"
    """URL of Redis: `redis://`, `rediss://` or `unix://`."""
    key_prefix: str = Field("leafmark:", pattern=r"^[A-Za-z0-9:_-]{0,50}$")
    """Prefix of all Redis keys of this deployment."""
    dpi: int = Field(DEFAULT_DPI, ge=MINIMUM_DPI, le=MAXIMUM_DPI)
    """Minimum resolution of rendered PDF pages; pages with finer images are rendered at the resolution of these."""
    max_pixels: int = Field(DEFAULT_MAX_PIXELS, ge=1_000_000, le=1_000_000_000)
    """Maximum number of pixels of a page image in memory."""
    spreads: Spreads = "auto"
    """Split pictures of two pages when a book is ingested: `auto`, `no`, or `yes` where the fold is faint."""
    max_attempts: int = Field(3, ge=1, le=100)
    """Number of attempts before a page is quarantined."""
    claim_seconds: float = Field(9.0, ge=1, le=3600)
    """Lifetime of a claim on a page; renewed during the work, three times in this time."""
    heal_seconds: float = Field(2.0, ge=0.2, le=600)
    """Seconds between two searches of a reconciler for lost pages."""
    page_seconds: int = Field(600, ge=1, le=86_400)
    """Soft limit: seconds after which a page is stopped, which counts as a failed attempt."""
    page_grace_seconds: int = Field(60, ge=1, le=86_400)
    """Seconds after the soft limit before the process of a page is killed (hard limit)."""
    stage_seconds: Annotated[dict[str, Annotated[int, Field(ge=1, le=86_400)]], NoDecode] = {}
    """Soft limits of single stages: `ocr=120,structure=60`."""
    stage_grace_seconds: Annotated[dict[str, Annotated[int, Field(ge=1, le=86_400)]], NoDecode] = {}
    """Seconds from the soft to the hard limit of single stages: `ocr=30`."""
    page_megabytes: int = Field(4096, ge=256, le=1_048_576)
    """Memory limit of a process that works on pages, in MB; prefork pools only."""
    llm_base_url: str = Field("", pattern=r"^(https?://.+)?$")
    """URL of an OpenAI-compatible server of language models: `https://…/v1`."""
    llm_api_key: SecretStr = SecretStr("")
    """API key for that server; any word for a server that needs none."""
    llm_seconds: float | None = Field(
        None,
        ge=1,
        le=43_200,
        description="Timeout of one call of a model, in seconds; default 120, or 1800 for a server on this machine "
        "or in a private network.",
    )
    llm_tries: int = Field(5, ge=0, le=100)
    """Number of retries of a call when the provider fails."""
    llm_requests_per_minute: int | None = Field(None, ge=1)
    """Request limit per minute and model, over all machines; default no limit."""
    llm_tokens_per_minute: int | None = Field(None, ge=1)
    """Token limit per minute and model, over all machines; estimated before each call."""
    prices: Annotated[dict[str, Price], NoDecode] = Field(
        {},
        description="Prices of models in USD per million tokens, as in/out or in/out/cached: "
        "`my-model=0.15/0.60, other=1/2/0.1`.",
    )
    budget_usd: Decimal | None = Field(None, ge=0)
    """Maximum cost of each scan over all runs, in USD; `--budget` sets that of one scan."""
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="Port of a worker's metrics for Prometheus, a different one for each worker on a machine; "
        "default no metrics.",
    )
    metrics_host: str = Field("127.0.0.1", min_length=1)
    """Address on which metrics are served, without a password."""
    tracing: bool = False
    """Send OpenTelemetry traces as the variables `OTEL_…` configure it; needs `leafmark[otel]`."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Minimum log level; the `--loglevel` of a worker overrides it on its console."""
    log_format: Literal["text", "json"] = "text"
    """Format of a worker's log lines: `text`, or `json` for log collectors."""

    @field_validator("storage_root", mode="before")
    @classmethod
    def _names_a_folder(cls, root: Path | str) -> Path | str:
        if not isinstance(root, Path | str):
            raise ValueError("it is not a path")  # noqa: TRY004  # pydantic takes a ValueError for a wrong value
        # An empty value would be the current folder.
        if not str(root):
            raise ValueError("it is empty; give the path of a folder")
        try:
            Path(root).expanduser()
        except RuntimeError:
            raise ValueError("the user after ~ does not exist") from None
        return root

    @field_validator("stage_seconds", "stage_grace_seconds", mode="before")
    @classmethod
    def _by_stage(cls, given: dict[str, int] | str) -> dict[str, str] | dict[str, int]:
        """Return `ocr=120,structure=60` as a dict."""
        if not isinstance(given, str):
            return given
        pairs = (part.partition("=") for part in given.split(",") if part.strip())
        return {stage.strip(): seconds.strip() for stage, _, seconds in pairs}

    @field_validator("prices", mode="before")
    @classmethod
    def _by_model(cls, given: dict[str, Any] | str) -> dict[str, Price]:
        if isinstance(given, dict):
            return prices_of_table(given)
        # Other types are rejected by pydantic.
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

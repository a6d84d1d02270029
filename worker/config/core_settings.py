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
from worker.pages.sources.base import DEFAULT_DPI, DEFAULT_MAX_PIXELS

ENV_PREFIX = "LEAFMARK_"


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
        """Return the sources of values; the first that has a value decides."""
        return init_settings, env_settings, ConfigFileSource(settings_cls)

    storage_root: Annotated[Path, Field(description="Folder of all scans, shared by all machines.")] = (
        DEFAULT_STORAGE_ROOT
    )
    redis_url: Annotated[
        str,
        AfterValidator(check_redis_url),
        Field(description="URL of Redis: `redis://`, `rediss://` or `unix://`."),
    ] = "redis://localhost:6379/0"
    key_prefix: Annotated[
        str,
        Field(description="Prefix of all Redis keys of this deployment.", pattern=r"^[A-Za-z0-9:_-]{0,50}$"),
    ] = "leafmark:"
    dpi: Annotated[
        int,
        Field(
            description="Minimum resolution of rendered PDF pages; pages with finer images are rendered at the "
            "resolution of these.",
            ge=MINIMUM_DPI,
            le=MAXIMUM_DPI,
        ),
    ] = DEFAULT_DPI
    max_pixels: Annotated[
        int,
        Field(description="Maximum number of pixels of a page image in memory.", ge=1_000_000, le=1_000_000_000),
    ] = DEFAULT_MAX_PIXELS
    max_attempts: Annotated[
        int, Field(description="Number of attempts before a page is quarantined.", ge=1, le=100)
    ] = 3
    claim_seconds: Annotated[
        float,
        Field(
            description="Lifetime of a claim on a page; renewed during the work, three times in this time.",
            ge=1,
            le=3600,
        ),
    ] = 9.0
    heal_seconds: Annotated[
        float, Field(description="Seconds between two searches of a reconciler for lost pages.", ge=0.2, le=600)
    ] = 2.0
    page_seconds: Annotated[
        int,
        Field(
            description="Soft limit: seconds after which a page is stopped, which counts as a failed attempt.",
            ge=1,
            le=86_400,
        ),
    ] = 600
    page_grace_seconds: Annotated[
        int,
        Field(
            description="Seconds after the soft limit before the process of a page is killed (hard limit).",
            ge=1,
            le=86_400,
        ),
    ] = 60
    stage_seconds: Annotated[
        dict[str, Annotated[int, Field(ge=1, le=86_400)]],
        NoDecode,
        Field(description="Soft limits of single stages: `ocr=120,structure=60`."),
    ] = {}
    stage_grace_seconds: Annotated[
        dict[str, Annotated[int, Field(ge=1, le=86_400)]],
        NoDecode,
        Field(description="Seconds from the soft to the hard limit of single stages: `ocr=30`."),
    ] = {}
    page_megabytes: Annotated[
        int,
        Field(
            description="Memory limit of a process that works on pages, in MB; prefork pools only.",
            ge=256,
            le=1_048_576,
        ),
    ] = 4096
    llm_base_url: Annotated[
        str,
        Field(
            description="URL of an OpenAI-compatible server of language models: `https://…/v1`.",
            pattern=r"^(https?://.+)?$",
        ),
    ] = ""
    llm_api_key: Annotated[
        SecretStr, Field(description="API key for that server; any word for a server that needs none.")
    ] = SecretStr("")
    llm_seconds: Annotated[
        float | None,
        Field(
            description="Timeout of one call of a model, in seconds; default 120, or 1800 for a server on this "
            "machine or in a private network.",
            ge=1,
            le=43_200,
        ),
    ] = None
    llm_tries: Annotated[
        int, Field(description="Number of retries of a call when the provider fails.", ge=0, le=100)
    ] = 5
    llm_requests_per_minute: Annotated[
        int | None,
        Field(description="Request limit per minute and model, over all machines; default no limit.", ge=1),
    ] = None
    llm_tokens_per_minute: Annotated[
        int | None,
        Field(description="Token limit per minute and model, over all machines; estimated before each call.", ge=1),
    ] = None
    prices: Annotated[
        dict[str, Price],
        NoDecode,
        Field(
            description="Prices of models in USD per million tokens, as in/out or in/out/cached: "
            "`my-model=0.15/0.60, other=1/2/0.1`."
        ),
    ] = {}
    budget_usd: Annotated[
        Decimal | None,
        Field(
            description="Maximum cost of each scan over all runs, in USD; `--budget` sets that of one scan.", ge=0
        ),
    ] = None
    metrics_port: Annotated[
        int | None,
        Field(
            description="Port of a worker's metrics for Prometheus, a different one for each worker on a machine; "
            "default no metrics.",
            ge=1,
            le=65_535,
        ),
    ] = None
    metrics_host: Annotated[
        str, Field(description="Address on which metrics are served, without a password.", min_length=1)
    ] = "127.0.0.1"
    tracing: Annotated[
        bool,
        Field(
            description="Send OpenTelemetry traces as the variables `OTEL_…` configure it; needs `leafmark[otel]`."
        ),
    ] = False
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Field(description="Minimum log level; the `--loglevel` of a worker overrides it on its console."),
    ] = "INFO"
    log_format: Annotated[
        Literal["text", "json"],
        Field(description="Format of a worker's log lines: `text`, or `json` for log collectors."),
    ] = "text"

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

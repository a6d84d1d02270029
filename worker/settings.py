"""Every setting, in one class. Each is an environment variable: LEAFMARK_ and the name in capitals."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from checkpointing.errors import SettingsError
from checkpointing.keys import Keys
from worker.sources.base import DEFAULT_DPI, DEFAULT_MAX_PIXELS

ENV_PREFIX = "LEAFMARK_"


class Settings(BaseSettings):
    """What a deployment decides. The descriptions are the reference in the README."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="ignore", frozen=True)

    storage_root: Annotated[Path, Field(description="Folder of all scans, shared by all machines.")] = Path(
        "~/Documents/book_scans"
    )
    redis_url: Annotated[
        str,
        Field(description="Broker: `redis://`, `rediss://` or `unix://`.", pattern=r"^(redis|rediss|unix)://"),
    ] = "redis://localhost:6379/0"
    key_prefix: Annotated[
        str,
        Field(description="Starts every Redis key of this deployment.", pattern=r"^[A-Za-z0-9:_-]{0,50}$"),
    ] = "leafmark:"
    ocr_engine: Annotated[Literal["rapidocr", "tesseract"], Field(description="OCR engine.")] = "rapidocr"
    ocr_lang: Annotated[
        str,
        Field(description="Language for Tesseract: `eng`, `deu+eng`.", pattern=r"^[A-Za-z_]+(\+[A-Za-z_]+)*$"),
    ] = "eng"
    dpi: Annotated[int, Field(description="Resolution at which PDF pages are rendered.", ge=72, le=1200)] = (
        DEFAULT_DPI
    )
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
        float, Field(description="How often a steward looks for pages that got lost.", ge=0.2, le=600)
    ] = 2.0
    page_seconds: Annotated[
        int, Field(description="A page that takes longer is stopped; that counts as an attempt.", ge=1, le=86_400)
    ] = 600
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="Least level that is logged.")
    ] = "INFO"

    @property
    def root(self) -> Path:
        """The storage root as an absolute path."""
        return self.storage_root.expanduser().absolute()

    @property
    def keys(self) -> Keys:
        """Speller of this deployment's Redis keys."""
        return Keys(self.key_prefix)


def load_settings() -> Settings:
    """The settings in force.

    Raises:
        SettingsError: one or more have values that are not allowed; names each with its value.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = [
            f"{ENV_PREFIX}{'.'.join(map(str, fault['loc'])).upper()}={fault['input']!r}: {fault['msg']}"
            for fault in error.errors()
        ]
        raise SettingsError("wrong settings: " + "; ".join(faults)) from None

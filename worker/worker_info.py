"""How a worker introduces itself to `producer doctor`: what it is, what it serves, and whether it sees our storage.

A control command of Celery's, which the worker's main process answers between messages: pages pay nothing for it.
"""

import platform
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery.worker.control import Panel
from pydantic import Field

from checkpointing.fields import OpenModel
from checkpointing.regular_files import read_regular
from worker.config.settings import Settings
from worker.config.shown_settings import shown_value
from worker.launch.package_versions import package_version
from worker.ocr.engines.needs import stage_of
from worker.ocr.engines.registry import ENGINES
from worker.stages.base import LoadedEngine
from worker.stages.registry import uses_model
from worker.storage.open_stages import OWN_FOLDER

INTRODUCE = "leafmark_introduce"
_TOKEN = re.compile(r"[0-9a-f]{16}")
# A page comes out differently where these differ, or is given up on at another time. The settings that a profile
# has fields for are recorded at the enqueue, and workers read by the record.
_FOR_ALL = ("max_attempts", "claim_seconds", "page_seconds")
_FOR_OCR = ("max_pixels",)
_FOR_ASKING = ("llm_base_url", "prices", "budget_usd")


class Introduction(OpenModel):
    """What a worker says of itself.

    Attributes:
        version: of Leafmark.
        engine: the OCR engine of the settings with its version; empty where the worker does no OCR.
        engines: the OCR engines that are installed, with the languages that are, by the engine's own names; no
            languages for an engine that ignores them.
        device: what that engine computes on; empty where the worker does no OCR, or is older than this field.
        slots: pages that it takes at once.
        clock: seconds since 1970, by the clock of its machine.
        sees_token: whether the file that it was asked for is in that root, with the right content.
        settings: those that matter for its stages, as text, without secrets.
    """

    version: str
    python: str
    engine: str
    engines: dict[str, list[str]] = Field(default_factory=dict)
    device: str = ""
    stages: list[str]
    slots: int
    clock: float
    root: str
    sees_token: bool
    settings: dict[str, str]


def offer_introduction(settings: Settings, loaded: Mapping[str, LoadedEngine]) -> None:
    """Have this process's worker answer when it is asked who it is.

    Args:
        settings: of the worker.
        loaded: the engine of each stage that has one, as the check before the start loaded it.
    """
    device = loaded["ocr"].device if "ocr" in loaded else ""

    def introduce(state: Any, token: object = "", **_: object) -> dict[str, Any]:
        """Return who this worker is, what it serves, and whether it sees a file in the storage root."""
        stages = sorted({stage_of(queue) for queue in state.app.amqp.queues.consume_from})
        slots = int(getattr(state.consumer.controller, "concurrency", 0) or 0)
        return introduction(settings, stages, slots, token, device).model_dump()

    Panel.register(introduce, name=INTRODUCE, type="inspect", visible=False)


def introduction(
    settings: Settings, stages: list[str], slots: int, token: object, device: str = ""
) -> Introduction:
    """Return what a worker with these settings says of itself.

    The token names the file to look for; anyone who reaches Redis can ask for anything.
    """
    return Introduction(
        version=package_version("leafmark"),
        python=platform.python_version(),
        engine=_engine(settings) if "ocr" in stages else "",
        engines=_engines() if "ocr" in stages else {},
        device=device,
        stages=stages,
        slots=slots,
        clock=time.time(),
        root=str(settings.root),
        sees_token=isinstance(token, str) and _sees(settings.root, token),
        settings={name: shown_value(settings, name) for name in settings_that_matter(stages)},
    )


def settings_that_matter(stages: list[str]) -> list[str]:
    """Return the settings that should be the same on every machine with these stages, and on the producer's."""
    asking = [stage for stage in stages if uses_model(stage)]
    return [
        *_FOR_ALL,
        *(_FOR_OCR if "ocr" in stages else ()),
        *(_FOR_ASKING if asking else ()),
        *(f"{stage}_model" for stage in asking),
        *(("correction_vision",) if "correction" in asking else ()),
    ]


def token_path(root: Path, token: str) -> Path:
    """Return the path of the file by which a worker tells that it sees the same storage."""
    return root / OWN_FOLDER / f"doctor-{token}"


def _engine(settings: Settings) -> str:
    # Loading it to ask would leave its threads to every process that the pool forks.
    name = settings.chosen_engine
    return f"{name} {package_version(ENGINES[name].package)}"


def _engines() -> dict[str, list[str]]:
    """Return what is installed, without loading it."""
    return {name: engine.languages_installed() for name, engine in ENGINES.items() if engine.is_installed()}


def _sees(root: Path, token: str) -> bool:
    if not _TOKEN.fullmatch(token):
        return False
    try:
        return read_regular(token_path(root, token)) == token.encode("ascii")
    except (OSError, ValueError):
        return False

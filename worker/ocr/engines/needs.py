"""What the pages of a book need of a worker, and the dedicated queue that they go through.

The queue of a stage, `ocr`, holds pages that every worker of the stage can read. Pages for an engine that not every
installation has go through a queue of their own, whose name says what they need: `ocr:tesseract:de+la:fraktur`. A
worker takes messages from those dedicated queues whose needs are installed on its machine.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from checkpointing.errors import SettingsError
from worker.ocr.engines.base import Engine
from worker.ocr.engines.registry import ENGINES, make_engine
from worker.pages.book_profile import check_language

_FORGED = "the name of a queue is not one of Leafmark's"
_MAX_CHARACTERS = 1000
"""Of a queue name. A longer one was forged: the needs of a book have some tens of characters."""
_NEED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*):([A-Za-z0-9_+./-]+):([a-z]+)")


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """An engine, with languages as the setting `ocr_lang` has them, and a typeface."""

    engine: str
    lang: str
    typeface: str

    def __str__(self) -> str:
        """Return the need as a part of a queue's name."""
        return f"{self.engine}:{self.lang}:{self.typeface}"

    @property
    def words(self) -> str:
        """The need for people: `de+la in Fraktur with tesseract`."""
        typeface = f" in {self.typeface.title()}" if self.typeface != "antiqua" else ""
        return f"{self.lang}{typeface} with {self.engine}"

    @property
    def is_met_everywhere(self) -> bool:
        """Whether every installation has the engine, for all that it reads."""
        return self.engine in ENGINES and ENGINES[self.engine].everywhere

    def check(self, options: Any) -> None:
        """Check that the need is met by this installation. Loads nothing.

        Args:
            options: settings that the engine takes beside engine, languages and typeface; pydantic's.

        Raises:
            SettingsError: something is not installed; the message says what to install.
        """
        self._engine(options).check_installed()

    def installation(self, options: Any) -> str:
        """Return how to install what is needed; empty if this installation does not know the engine.

        Args:
            options: as for `check`.
        """
        return self._engine(options).installation if self.engine in ENGINES else ""

    def _engine(self, options: Any) -> Engine:
        update = {"ocr_engine": self.engine, "ocr_lang": self.lang, "ocr_typeface": self.typeface}
        return make_engine(options.model_copy(update=update))


def queue_name(stage: str, needs: Iterable[Need]) -> str:
    """Return the name of the queue for pages of a stage with these needs."""
    special = sorted({str(need) for need in needs if not need.is_met_everywhere})
    return f"{stage}:{'|'.join(special)}" if special else stage


def stage_of(queue: str) -> str:
    """Return the stage of a queue."""
    return queue.partition(":")[0]


def needs_of(queue: str) -> list[Need]:
    """Return what the pages of a queue need, beside their stage.

    Raises:
        SettingsError: the name was forged.
    """
    _, dedicated, needs = queue.partition(":")
    if not dedicated:
        return []
    return [_parse(each) for each in needs[:_MAX_CHARACTERS].split("|")]


def _parse(text: str) -> Need:
    match = _NEED.fullmatch(text)
    if match is None:
        raise SettingsError(_FORGED)
    try:
        return Need(match[1], check_language(match[2]), match[3])
    except ValueError:
        raise SettingsError(_FORGED) from None

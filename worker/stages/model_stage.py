"""The inputs of a stage that asks a language model, and what the questions of such stages have in common."""

import hashlib
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Protocol, TypeVar, runtime_checkable

from worker.llm.prompt import Answer, Picture, Prompt
from worker.llm.reply import Reply
from worker.pages.sources.base import PageImage
from worker.stages.base import StageInputs

Made = TypeVar("Made")

LONGEST_SIDE = 1600
"""Maximum side of an image in a question, in pixels: print is legible, and common models see no more."""
_JPEG_QUALITY = 85
# For what surrounds the texts in an answer, and for a model that reasons first.
_MIN_TOKENS = 1024
# An answer repeats the text once and lists its edits. A token has at least one byte and usually four, so that two
# tokens a byte leave room for a text of which every word was misread.
_TOKENS_A_BYTE = 2
# For the names and braces of a region's entry in an answer.
_TOKENS_A_REGION = 64


@runtime_checkable
class ModelInputs(StageInputs, Protocol):
    """The inputs of a stage that asks a model."""

    def ask(self, prompt: Prompt[Answer], accept: Callable[[Reply[Answer]], Made]) -> Made:
        """Ask the stage's model about the page.

        Args:
            prompt: the question.
            accept: makes the result from the answer. The only error that it may raise is AnswerRefusedError: after
                any other error the answer stays usable, and would be used again at the next attempt.

        Raises:
            AnswerRefusedError: the answer cannot be used; from `accept`, or because it cannot be parsed.
            ProviderError: the provider is not available or limits the calls: the page waits.
            ProviderRefusesError, BudgetReachedError: the stage is paused until a person changes something.
        """
        ...


def model_inputs(inputs: StageInputs) -> ModelInputs:
    """Return the inputs as those of a stage that asks a model.

    Raises:
        TypeError: they cannot ask a model.
    """
    if not isinstance(inputs, ModelInputs):
        raise TypeError(f"a stage that asks a model needs inputs that can ask one, not {type(inputs).__name__}")
    return inputs


def picture_of(page: PageImage) -> Picture:
    """Return a page image as a JPEG whose longer side has at most LONGEST_SIDE pixels."""
    from PIL import Image  # noqa: PLC0415  # commands that only read outputs do not need it

    image = page.image if page.image.mode in {"L", "RGB"} else page.image.convert("RGB")
    shrink = min(1.0, LONGEST_SIDE / max(image.size))
    if shrink < 1:
        size = max(1, round(image.width * shrink)), max(1, round(image.height * shrink))
        image = image.resize(size, Image.Resampling.LANCZOS)
    data = BytesIO()
    image.save(data, "JPEG", quality=_JPEG_QUALITY)
    return Picture("image/jpeg", data.getvalue(), image.width, image.height)


def most_tokens(texts: Iterable[str]) -> int:
    """Return the maximum length of an answer about regions with these texts, in tokens, reasoning included."""
    return _MIN_TOKENS + sum(
        _TOKENS_A_REGION + _TOKENS_A_BYTE * len(text.encode(errors="surrogatepass")) for text in texts
    )


def recipe_of(name: str, version: str, instructions: str, *settings: str) -> str:
    """Return the recipe of a stage; it contains a hash of the instructions, so that it changes with them."""
    digits = hashlib.sha256(instructions.encode()).hexdigest()[:8]
    return ", ".join((f"{name} {version}", f"instructions {digits}", *settings))

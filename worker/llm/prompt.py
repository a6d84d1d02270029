"""The question that a stage asks a language model, independent of the provider."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

from pydantic import BaseModel

Answer = TypeVar("Answer", bound=BaseModel)


@cache
def schema_text(answer: type[BaseModel]) -> str:
    """Return the JSON schema of an answer, as text. Making it takes milliseconds."""
    return json.dumps(answer.model_json_schema(), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Picture:
    """A page image that is sent with the text.

    Attributes:
        media_type: `image/jpeg` or `image/png`.
        data: the file's bytes.
        width: in pixels.
        height: in pixels.
    """

    media_type: str
    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Prompt(Generic[Answer]):
    """One question to a model.

    Attributes:
        system: the instructions; the same for every page of a stage.
        user: the data of this page.
        answer: the pydantic model that the answer must match. Every field is required and nothing extra allowed, as
            strict servers demand.
        most_tokens: maximum tokens of the answer; it limits what a call may cost.
        picture: the page image, for models that take pictures.
        temperature: randomness of the answer; 0 for the minimum.
    """

    system: str
    user: str
    answer: type[Answer]
    most_tokens: int
    picture: Picture | None = None
    temperature: float = 0.0

    def sha256(self, model: str) -> str:
        """Return the hash of the whole question to that model: equal hashes are the same question."""
        picture = hashlib.sha256(self.picture.data).hexdigest() if self.picture else None
        asked = {"user": self.user, "picture": picture, "most_tokens": self.most_tokens}
        return _sha256({**self._recipe(model), **asked})

    def recipe_sha256(self, model: str) -> str:
        """Return the hash of what is the same for every page: model, instructions, schema, parameters."""
        return _sha256(self._recipe(model))

    def _recipe(self, model: str) -> dict[str, object]:
        return {
            "model": model,
            "system": self.system,
            "schema": schema_text(self.answer),
            "temperature": self.temperature,
        }


def _sha256(parts: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

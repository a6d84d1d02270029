"""The forms in which a request can be put, because servers that call themselves OpenAI-compatible differ.

- `response_format` with a strict JSON schema; where it is refused, `json_object`, with the schema beside it where
  that is not refused; where `json_object` is refused as well, none. In all forms but the first the schema is part
  of the instructions, below a line `Answer schema: NAME`.
- `temperature`; left out where it is refused, as reasoning models do.
- `max_tokens`, which vLLM, Ollama, LM Studio, llama.cpp and OpenRouter all understand. Some of these silently
  ignore `max_completion_tokens`, and would answer without any limit. Where `max_tokens` is refused, as by OpenAI's
  newer models, the other is sent instead; to OpenAI's own server from the start.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from worker.llm.prompt import Answer, Prompt, schema_text

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionMessageParam
    from openai.types.chat.completion_create_params import ResponseFormat
    from openai.types.shared_params import ResponseFormatJSONObject, ResponseFormatJSONSchema

# Complaints about the schema in a `json_object`, and not about that type as such.
_ABOUT_SCHEMA = re.compile(r"schema|object|extra|additional|unknown|unrecogni[sz]ed|unexpected|not permitted")


class AnswerForm(StrEnum):
    """How the form of the answer is asked for."""

    SCHEMA = "json_schema"
    OBJECT_OF_SCHEMA = "json_object with a schema"
    """llama-cpp-python, older llama.cpp, Together and Fireworks enforce the schema; others ignore it."""
    OBJECT = "json_object"
    PROMPT = "prompt"
    """In the instructions alone."""

    def next(self, words: str) -> "AnswerForm | None":
        """Return what to try where this form was refused in these words; None where nothing is left."""
        match self:
            case AnswerForm.SCHEMA:
                return AnswerForm.OBJECT_OF_SCHEMA
            case AnswerForm.OBJECT_OF_SCHEMA if _ABOUT_SCHEMA.search(words):
                return AnswerForm.OBJECT
            case AnswerForm.PROMPT:
                return None
            case _:
                return AnswerForm.PROMPT


@dataclass(frozen=True, slots=True)
class RequestForm:
    """The form of a request that a model understands.

    Attributes:
        answer: how the form of the answer is asked for.
        has_temperature: whether `temperature` is sent.
        has_completion_tokens: whether `max_completion_tokens` is sent instead of `max_tokens`.
    """

    answer: AnswerForm = AnswerForm.SCHEMA
    has_temperature: bool = True
    has_completion_tokens: bool = False

    def alternatives(self, words: str) -> Iterator["RequestForm"]:
        """Return the forms to try after a refusal in these words, the likeliest first."""
        if "max_tokens" in words or "max_completion_tokens" in words:
            yield replace(self, has_completion_tokens=not self.has_completion_tokens)
        if "temperature" in words and self.has_temperature:
            yield replace(self, has_temperature=False)
        # Servers that do not know a form refuse it in all sorts of words.
        if (answer := self.answer.next(words)) is not None:
            yield replace(self, answer=answer)

    def response_format(self, prompt: Prompt[Answer]) -> "ResponseFormat | None":
        """Return the parameter of that name; None where it is left out."""
        match self.answer:
            case AnswerForm.SCHEMA:
                return strict_format(prompt.answer)
            case AnswerForm.OBJECT_OF_SCHEMA:
                return _object_format(prompt.answer)
            case AnswerForm.OBJECT:
                return {"type": "json_object"}
            case AnswerForm.PROMPT:
                return None

    def messages(self, prompt: Prompt[Answer]) -> "list[ChatCompletionMessageParam]":
        """Return the instructions and the question, with its picture."""
        system = prompt.system
        if self.answer is not AnswerForm.SCHEMA:
            system = (
                f"{system}\n\nAnswer with one JSON object and nothing else. It must match this JSON schema.\n"
                f"Answer schema: {_schema_name(prompt.answer)}\n{schema_text(prompt.answer)}"
            )
        if prompt.picture is None:
            return [{"role": "system", "content": system}, {"role": "user", "content": prompt.user}]
        data = base64.b64encode(prompt.picture.data).decode()
        url = f"data:{prompt.picture.media_type};base64,{data}"
        parts: list[ChatCompletionContentPartParam] = [
            {"type": "text", "text": prompt.user},
            {"type": "image_url", "image_url": {"url": url}},
        ]
        return [{"role": "system", "content": system}, {"role": "user", "content": parts}]


@cache
def strict_format(answer: type[BaseModel]) -> "ResponseFormatJSONSchema":
    """Return the `response_format` for servers that enforce a schema. It must not be changed."""
    # The library makes the schema that strict servers want: all fields required, nothing extra, bare `$ref`s.
    from openai import pydantic_function_tool  # noqa: PLC0415  # slow to import; the producer calls no model

    schema = pydantic_function_tool(answer)["function"]["parameters"]
    return {"type": "json_schema", "json_schema": {"name": _schema_name(answer), "strict": True, "schema": schema}}


@cache
def _object_format(answer: type[BaseModel]) -> "ResponseFormatJSONObject":
    """Return the `response_format` for servers that know `json_object` with a schema. It must not be changed."""
    beside = {"schema": strict_format(answer)["json_schema"]["schema"]}
    # The key is not part of OpenAI's type.
    return cast("ResponseFormatJSONObject", {"type": "json_object", **beside})


def _schema_name(answer: type[BaseModel]) -> str:
    return str(json.loads(schema_text(answer)).get("title", answer.__name__)).lower()

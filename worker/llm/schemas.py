"""The schema of an answer in the forms that servers accept. Each is made once, because that takes milliseconds."""

import json
from functools import cache
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

if TYPE_CHECKING:
    from openai.types.shared_params import ResponseFormatJSONObject, ResponseFormatJSONSchema


@cache
def schema_text(answer: type[BaseModel]) -> str:
    """Return the JSON schema of an answer, as text."""
    return json.dumps(answer.model_json_schema(), ensure_ascii=False)


@cache
def schema_name(answer: type[BaseModel]) -> str:
    """Return the name of a schema: its title in lower case."""
    return str(json.loads(schema_text(answer)).get("title", answer.__name__)).lower()


@cache
def object_format(answer: type[BaseModel]) -> "ResponseFormatJSONObject":
    """Return the `response_format` for servers that know `json_object` with a schema. It must not be changed."""
    beside = {"schema": strict_format(answer)["json_schema"]["schema"]}
    # The key is not part of OpenAI's type.
    return cast("ResponseFormatJSONObject", {"type": "json_object", **beside})


@cache
def strict_format(answer: type[BaseModel]) -> "ResponseFormatJSONSchema":
    """Return the `response_format` for servers that enforce a schema. It must not be changed."""
    # The library makes the schema that strict servers want: all fields required, nothing extra, bare `$ref`s.
    from openai import pydantic_function_tool  # noqa: PLC0415  # slow to import; the producer calls no model

    schema = pydantic_function_tool(answer)["function"]["parameters"]
    return {
        "type": "json_schema",
        "json_schema": {"name": schema_name(answer), "strict": True, "schema": schema},
    }

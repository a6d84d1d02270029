"""The schema of an answer in the forms that servers take it. Made once for each: to make one takes milliseconds."""

import json
from functools import cache
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

if TYPE_CHECKING:
    from openai.types.shared_params import ResponseFormatJSONObject, ResponseFormatJSONSchema


@cache
def schema_text(answer: type[BaseModel]) -> str:
    """A JSON schema, as text."""
    return json.dumps(answer.model_json_schema(), ensure_ascii=False)


@cache
def schema_name(answer: type[BaseModel]) -> str:
    """What it is called: its title, in small letters."""
    return str(json.loads(schema_text(answer)).get("title", answer.__name__)).lower()


@cache
def object_format(answer: type[BaseModel]) -> "ResponseFormatJSONObject":
    """As `response_format`, for servers that know `json_object` with a schema. Not to be changed."""
    beside = {"schema": strict_format(answer)["json_schema"]["schema"]}
    # The key is no part of OpenAI's form.
    return cast("ResponseFormatJSONObject", {"type": "json_object", **beside})


@cache
def strict_format(answer: type[BaseModel]) -> "ResponseFormatJSONSchema":
    """As `response_format`, for servers that keep to a schema. Not to be changed."""
    # The library's own way to a schema as strict servers want it: all required, nothing extra, `$ref`s alone.
    from openai import pydantic_function_tool  # noqa: PLC0415  # slow to import; the producer asks nobody

    schema = pydantic_function_tool(answer)["function"]["parameters"]
    return {
        "type": "json_schema",
        "json_schema": {"name": schema_name(answer), "strict": True, "schema": schema},
    }

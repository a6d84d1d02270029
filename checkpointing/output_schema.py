"""What makes the output of a stage valid."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError


def _unchanged(data: Any) -> Any:
    return data


def any_object(data: Any) -> None:
    """Raise ValueError unless the data is a non-empty JSON object: the schema of a stage that names none."""
    if not isinstance(data, dict) or not data:
        raise ValueError("it is not a JSON object with any field")


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """What makes an output valid.

    Attributes:
        parse: makes an object of the raw JSON; raises ValueError (such as pydantic's ValidationError) where it
            does not match.
        version: a new version makes resume validate old outputs again.
        modern: converts valid parsed JSON to the current form: outputs of an older form may count, and readers need
            not know that form.
    """

    parse: Callable[[bytes], Any]
    version: str = "1"
    modern: Callable[[Any], Any] = _unchanged

    @classmethod
    def of(cls, schema: Any, version: str = "1") -> "OutputSchema":
        """Return a schema made of a pydantic model class, an object with `validate(data)`, a callable, or None.

        A model class may have a class method `from_older_form(data)`, which converts parsed JSON of an older form
        to the current one, and returns None for anything else.

        Raises:
            TypeError: the argument is none of these.
        """
        if isinstance(schema, OutputSchema):
            return schema
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            older = getattr(schema, "from_older_form", None)
            return (
                cls(schema.model_validate_json, version) if older is None else _of_two_forms(schema, older, version)
            )
        validate = any_object if schema is None else getattr(schema, "validate", schema)
        if not callable(validate):
            raise TypeError("a schema must be a pydantic model, an object with validate(data), or a callable")

        def parse(raw: bytes) -> Any:
            data = json.loads(raw)
            validate(data)
            return data

        return cls(parse, version)


def _of_two_forms(schema: type[BaseModel], older: Callable[[Any], Any], version: str) -> OutputSchema:
    def parse(raw: bytes) -> Any:
        try:
            return schema.model_validate_json(raw)
        except ValidationError:
            modern = _older_or_none(raw, older)
            if modern is None:
                raise
            return schema.model_validate(modern)

    return OutputSchema(parse, version, lambda data: older(data) or data)


def _older_or_none(raw: bytes, older: Callable[[Any], Any]) -> Any:
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return older(data)

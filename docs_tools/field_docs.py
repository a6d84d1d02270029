"""Descriptions of a model's fields that pydantic ignores: under `Attributes:`, or in a string below the field."""

import ast
import inspect
import re
import textwrap
from itertools import pairwise
from typing import Any

_ATTRIBUTES = re.compile(r"Attributes:\n(.*?)(?:\n\S|\Z)", re.DOTALL)
_ENTRY = re.compile(r"^ {4}([\w, ]+): (.+?)(?=^ {4}\w[\w, ]*: |\Z)", re.DOTALL | re.MULTILINE)


def add_field_docs(schema: dict[str, Any], classes: dict[str, type]) -> None:
    """Fill in the descriptions that are missing in a schema and in its parts.

    Args:
        schema: as pydantic made it; changed in place.
        classes: the models, and what else its parts were made from, by name.
    """
    for part in (schema, *schema.get("$defs", {}).values()):
        model = classes.get(part.get("title", ""))
        if model is None or "properties" not in part:
            continue
        found_docs = {**_from_docstring(model), **_from_strings(model)}
        for name, field in part["properties"].items():
            if name in found_docs:
                field.setdefault("description", found_docs[name][:1].upper() + found_docs[name][1:])
        part["description"] = _in_one_line((inspect.getdoc(model) or "").split("\n\n")[0])


def _from_docstring(model: type) -> dict[str, str]:
    section = _ATTRIBUTES.search(inspect.getdoc(model) or "")
    entries = _ENTRY.findall(section[1] + "\n") if section else []
    return {name.strip(): _in_one_line(words) for names, words in entries for name in names.split(",")}


def _from_strings(model: type) -> dict[str, str]:
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    found: dict[str, str] = {}
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for field, after in pairwise(body):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[field.target.id] = _in_one_line(str(after.value.value))
    return found


def _in_one_line(text: str) -> str:
    return " ".join(text.split())

"""Find the answer in what a model wrote: the one object that matches the schema, wherever it is.

Deviations that lose no text of the answer are accepted: a ```json fence, prose around the object, reasoning between
tags, an extra field, unescaped line ends inside a text, a comma after the last element, JSON that is encoded twice.
Servers also put an answer into the reasoning, or into the arguments of a tool. Two different answers are ambiguous
and refused. Reasoning may contain drafts, and is searched only where nothing else was written.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from pydantic import ValidationError

from checkpointing.errors import in_one_line
from worker.llm.errors import AnswerRefusedError
from worker.llm.prompt import Answer

_SHOWN_ERRORS = 3
# Maximum objects and characters that are searched. The answer for a page is one object of a few thousand
# characters.
_MAX_OBJECTS = 200
_MAX_LENGTH = 4_000_000
# How models mark their reasoning: DeepSeek, Qwen and others; Magistral; Kimi; Seed; some write an attribute.
_NAMES = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad)"
_CLOSE = rf"</\s*{_NAMES}\s*>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|channel\|>final<\|message\|>"
_CLOSING = re.compile(_CLOSE, re.IGNORECASE)
# Any tag at the start of an answer.
_FIRST_TAG = re.compile(r"\s*<([A-Za-z][\w:-]{0,40})>")
_FENCE = re.compile(r"\s*```[a-z]*\s*|\s*```\s*")
# Unescaped line ends and tabs are accepted in a text; other control characters are not.
_OTHER_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_DECODER = json.JSONDecoder(strict=False)
_STRING_OR_LAST_COMMA = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*+")|,(?=\s*+[}\]])', re.DOTALL)


def as_dict(value: object) -> dict[str, Any]:
    """Return a value if it is a JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def texts_of(message: Mapping[str, object]) -> list[str]:
    """Return what a model wrote: message and arguments of tools, or its reasoning where it wrote nothing else."""
    calls = message.get("tool_calls")
    functions = [as_dict(as_dict(call).get("function")) for call in calls] if isinstance(calls, list) else []
    functions.append(as_dict(message.get("function_call")))
    places = (message.get("content"), *(function.get("arguments") for function in functions))
    reasoning = (message.get("reasoning_content"), message.get("reasoning"))
    return _written(places) or _written(reasoning)[:1]


def complete_answer(texts: Sequence[str], schema: type[Answer], reason: str) -> Answer:
    """Return an answer that is complete although the model reached its limit, or the provider broke off.

    Only the first text can be the answer. The reason is `length` or `error`.

    Raises:
        AnswerRefusedError: the answer is incomplete.
    """
    text = _without_reasoning(texts[0]) if texts else ""
    found = list(_objects(text))
    if len(found) == 1 and not _FENCE.sub("", text[: found[0].start] + text[found[0].end :]).strip():
        with suppress(AnswerRefusedError):
            return _matching(found[0].value, schema)
    why = "it reached the limit of tokens" if reason == "length" else "the provider broke off"
    raise AnswerRefusedError("truncated", f"the answer is incomplete: {why}")


def validated(texts: Sequence[str], schema: type[Answer]) -> Answer:
    """Return the answer in what a model wrote, which is not empty.

    Raises:
        AnswerRefusedError: there is no answer, or more than one.
    """
    for text in texts:
        # Nearly all answers are only the object.
        with suppress(ValueError, RecursionError):
            return schema.model_validate_json(text)
    found, problems = _answers(texts, schema)
    if not found:
        found, _ = _answers([_repaired(text) for text in texts], schema)
    if len(found) > 1:
        raise AnswerRefusedError(
            "schema", f"the answer holds {len(found)} different JSON objects that match the schema"
        )
    if found:
        return found[0]
    if problems:
        raise problems[0]
    what = "no whole JSON object" if any("{" in text for text in texts) else "no JSON object"
    raise AnswerRefusedError("schema", f"the answer holds {what}")


def _answers(texts: Iterable[str], schema: type[Answer]) -> tuple[list[Answer], list[AnswerRefusedError]]:
    """Return the different objects in texts that match a schema, and why the others do not."""
    found: list[Answer] = []
    problems: list[AnswerRefusedError] = []
    for candidate in (candidate for text in texts for candidate in _objects(_without_reasoning(text))):
        try:
            answer = _matching(candidate.value, schema)
        except AnswerRefusedError as problem:
            problems.append(problem)
        else:
            if answer not in found:
                found.append(answer)
    return found, problems


def _repaired(text: str) -> str:
    """Return a text without two faults of models' JSON: double encoding, and a comma after the last element."""
    with suppress(ValueError, RecursionError):
        if isinstance(inner := json.loads(text, strict=False), str):
            text = inner
    return _STRING_OR_LAST_COMMA.sub(lambda match: match["string"] or "", text[:_MAX_LENGTH])


class _Candidate(NamedTuple):
    """A JSON object in a text, and its position."""

    value: dict[str, Any]
    start: int
    end: int


def _written(places: Iterable[object]) -> list[str]:
    return [text for text in map(_text, places) if text.strip()]


def _text(content: object) -> str:
    """Return the text of a message, which some servers send in parts, or as the parsed object."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return (_text_of_part(content) if "type" in content else "") or json.dumps(content)
    return "".join(map(_text_of_part, content)) if isinstance(content, list) else ""


def _text_of_part(part: object) -> str:
    if isinstance(part, str):
        return part
    text = as_dict(part).get("text")
    # Parts of the assistants API have the text one level deeper; reasoning is a separate part.
    text = as_dict(text).get("value", text)
    return text if isinstance(text, str) and as_dict(part).get("type") not in {"thinking", "reasoning"} else ""


def _without_reasoning(text: str) -> str:
    """Return the text after the reasoning; the whole text where the reasoning has no end, or no object follows."""
    text = text[:_MAX_LENGTH]
    # Some models get the opening tag in the prompt, so that only the closing tag is in the answer.
    ends = [match.end() for match in _CLOSING.finditer(text)]
    if (tag := _FIRST_TAG.match(text)) and (place := text.find(f"</{tag[1]}>")) >= 0:
        ends.append(place + len(tag[1]) + len("</>"))
    after = text[max(ends, default=0) :]
    return after if "{" in after else text


def _objects(text: str) -> Iterator[_Candidate]:
    """Return the outermost JSON objects in a text, in order."""
    place = 0
    for _ in range(_MAX_OBJECTS):
        start = text.find("{", place)
        if start < 0:
            return
        try:
            value, place = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            place = start + 1
            continue
        if _OTHER_CONTROLS.search(text, start, place) is None:
            yield _Candidate(value, start, place)


def _matching(value: dict[str, Any], schema: type[Answer]) -> Answer:
    """Return an object as an instance of a schema; raise AnswerRefusedError where it does not match."""
    try:
        return _validated(value, schema)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        # Some models put the answer below its name: {"correction": {...}}.
        below = [inner for inner in value.values() if isinstance(inner, dict)]
        if len(below) == 1 and not schema.model_fields.keys() & value.keys():
            with suppress(ValueError, RecursionError):
                return _validated(below[0], schema)
        message = f"the answer does not match the schema: {_in_words(problems)}"
        raise AnswerRefusedError("schema", message) from None
    except (ValueError, RecursionError) as error:
        message = f"the answer cannot be read: {type(error).__name__}"
        raise AnswerRefusedError("schema", message) from None


def _validated(value: dict[str, Any], schema: type[Answer]) -> Answer:
    """Return an object as an instance of a schema, without fields that the schema does not have.

    Raises:
        ValidationError: the object does not match.
        ValueError, RecursionError: the object cannot be serialised as JSON.
    """
    try:
        return schema.model_validate_json(json.dumps(value))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        if any(problem["type"] != "extra_forbidden" for problem in problems):
            raise
        unknown = [problem["loc"] for problem in problems]
    for place in unknown:
        _remove(value, place)
    return schema.model_validate_json(json.dumps(value))


def _remove(value: Any, place: Sequence[int | str]) -> None:
    *way, last = place
    # A location that names the branch of a union is not one in the object; the field stays, and is refused.
    with suppress(KeyError, IndexError, TypeError):
        for step in way:
            value = value[step]
        del value[last]


def _in_words(problems: Sequence[Mapping[str, Any]]) -> str:
    """Return the first problems, without their input, which may be a page long."""
    told = "; ".join(
        ": ".join(filter(None, (".".join(map(str, problem["loc"])), problem["msg"])))
        for problem in problems[:_SHOWN_ERRORS]
    )
    more = len(problems) - _SHOWN_ERRORS
    return in_one_line(told if more <= 0 else f"{told}; and {more} more")

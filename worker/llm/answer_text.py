"""Finding the one answer in what a model wrote: the object that matches the schema, wherever it stands.

What surrounds it is let pass, because no word of the answer is lost by it: a ```json fence, prose, the model's
reasoning between tags, a field that was not asked for, line ends inside a text that are not escaped, a comma after
the last element, JSON that is encoded twice. Servers also put an answer where it does not belong: into the
reasoning, or into the arguments of a tool. Two different answers are ambiguous and refused; reasoning may hold
drafts, and is looked into only where nothing else was written.
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

_ERRORS_TOLD = 3
# Objects that are looked at in a text, and characters of it. A page's answer is one object of some thousand.
_MOST_OBJECTS = 200
_LONGEST_TEXT = 4_000_000
# How models mark their reasoning: DeepSeek, Qwen and others; Magistral; Kimi; Seed; some write an attribute.
_NAMES = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad)"
_CLOSE = rf"</\s*{_NAMES}\s*>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|channel\|>final<\|message\|>"
_CLOSING = re.compile(_CLOSE, re.IGNORECASE)
# A tag that a whole answer begins with, whatever it is called.
_FIRST_TAG = re.compile(r"\s*<([A-Za-z][\w:-]{0,40})>")
_FENCE = re.compile(r"\s*```[a-z]*\s*|\s*```\s*")
# Line ends and tabs may stand in a text as they are; other control characters have no business there.
_OTHER_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_DECODER = json.JSONDecoder(strict=False)
_STRING_OR_LAST_COMMA = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*+")|,(?=\s*+[}\]])', re.DOTALL)


def texts_of(message: Mapping[str, object]) -> list[str]:
    """What a model wrote: the message, and the arguments of tools; its reasoning where it wrote nothing else."""
    calls = message.get("tool_calls")
    functions = [_dict(_dict(call).get("function")) for call in calls] if isinstance(calls, list) else []
    functions.append(_dict(message.get("function_call")))
    places = (message.get("content"), *(function.get("arguments") for function in functions))
    reasoning = (message.get("reasoning_content"), message.get("reasoning"))
    return _written(places) or _written(reasoning)[:1]


def complete_answer(texts: Sequence[str], schema: type[Answer], reason: str) -> Answer:
    """An answer that is complete although the model ran into its limit, or the provider broke off.

    Args:
        texts: what the model wrote; only the first can be the answer.
        schema: that it must match.
        reason: `length` or `error`.

    Raises:
        AnswerRefusedError: it is incomplete.
    """
    text = _without_reasoning(texts[0]) if texts else ""
    found = list(_objects(text))
    if len(found) == 1 and not _FENCE.sub("", text[: found[0].start] + text[found[0].end :]).strip():
        with suppress(AnswerRefusedError):
            return _matching(found[0].value, schema)
    why = "it reached the limit of tokens" if reason == "length" else "the provider broke off"
    raise AnswerRefusedError("truncated", f"the answer is incomplete: {why}")


def validated(texts: Sequence[str], schema: type[Answer]) -> Answer:
    """The answer among what a model wrote.

    Args:
        texts: what it wrote; not empty.
        schema: that it must match.

    Raises:
        AnswerRefusedError: there is none, or more than one.
    """
    for text in texts:
        # Nearly all answers are nothing but the object.
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
    raise problems[0] if problems else AnswerRefusedError("schema", f"the answer holds {_why_none(texts)}")


def _answers(texts: Iterable[str], schema: type[Answer]) -> tuple[list[Answer], list[AnswerRefusedError]]:
    """The different objects in texts that match a schema, and why the others do not."""
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
    """A text without two faults that models' JSON has: encoded twice, and a comma after the last element."""
    with suppress(ValueError, RecursionError):
        if isinstance(inner := json.loads(text, strict=False), str):
            text = inner
    return _STRING_OR_LAST_COMMA.sub(lambda match: match["string"] or "", text[:_LONGEST_TEXT])


class _Candidate(NamedTuple):
    """A JSON object in a text, and where it stands."""

    value: dict[str, Any]
    start: int
    end: int


def _written(places: Iterable[object]) -> list[str]:
    return [text for text in map(_text, places) if text.strip()]


def _text(content: object) -> str:
    """The words of a message, which some servers send in parts, or as the object that they stand for."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return (_text_of_part(content) if "type" in content else "") or json.dumps(content)
    return "".join(map(_text_of_part, content)) if isinstance(content, list) else ""


def _text_of_part(part: object) -> str:
    if isinstance(part, str):
        return part
    text = _dict(part).get("text")
    # Assistants' parts have the text one level deeper; a model's reasoning is a part of its own.
    text = _dict(text).get("value", text)
    return text if isinstance(text, str) and _dict(part).get("type") not in {"thinking", "reasoning"} else ""


def _without_reasoning(text: str) -> str:
    """What follows the reasoning in a text; all of it where it has no end, or nothing follows."""
    text = text[:_LONGEST_TEXT]
    # Some open the reasoning in the prompt, so that only its end is in the answer.
    ends = [match.end() for match in _CLOSING.finditer(text)]
    if (tag := _FIRST_TAG.match(text)) and (place := text.find(f"</{tag[1]}>")) >= 0:
        ends.append(place + len(tag[1]) + len("</>"))
    after = text[max(ends, default=0) :]
    return after if "{" in after else text


def _objects(text: str) -> Iterator[_Candidate]:
    """The JSON objects in a text that stand in no other, in order."""
    place = 0
    for _ in range(_MOST_OBJECTS):
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
    """What an object says in the terms of a schema; fields that were not asked for are passed over.

    Raises:
        AnswerRefusedError: it does not match.
    """
    try:
        return _validated(value, schema)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        # Some put the answer below its name: {"correction": {...}}.
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
    """An object as the schema has it, without the fields that the schema does not know.

    Raises:
        ValidationError: it does not match.
        ValueError, RecursionError: it cannot be written as JSON again.
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
    # A place that goes by the branch of a union is not one in the object; what is left there is refused.
    with suppress(KeyError, IndexError, TypeError):
        for step in way:
            value = value[step]
        del value[last]


def _why_none(texts: Sequence[str]) -> str:
    return "no whole JSON object" if any("{" in text for text in texts) else "no JSON object"


def _in_words(problems: Sequence[Mapping[str, Any]]) -> str:
    """The first problems, without what they were found in: that may be a page long."""
    told = "; ".join(
        ": ".join(filter(None, (".".join(map(str, problem["loc"])), problem["msg"])))
        for problem in problems[:_ERRORS_TOLD]
    )
    more = len(problems) - _ERRORS_TOLD
    return in_one_line(told if more <= 0 else f"{told}; and {more} more")


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

"""Reading the body of an error response: whether the API wrote it, what it says, and the limits that it names.

APIs write errors as JSON in one of a few forms. An HTML page, an empty body or plain text comes from something in
front of the API (a gateway, a sign-in page, another web server).
"""

import json
import math
import re
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from worker.llm.raw_answer import parsed_object

MAX_COMPLAINT_LENGTH = 4000
"""Characters of an error that are searched or quoted."""

# vLLM: "maximum context length is 4096 tokens and your request has 2778 input tokens"; older ones: "(2778 in the
# messages, 8000 in the completion)". OpenAI: "This model supports at most 16384 completion tokens".
_CONTEXT = re.compile(r"context (?:length|window|size)\D{0,20}?(?:is|of|:)\s*(\d{2,9})\b")
_INPUT = re.compile(r"\b(\d{1,9}) (?:input tokens|prompt tokens|(?:tokens )?in the (?:messages|prompt|input))")
_MAX_COMPLETION = re.compile(r"at most (\d{2,9}) (?:completion|output) tokens")
_SPARE_TOKENS = 16
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)
_HTML = re.compile(r"\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body)\b", re.DOTALL | re.IGNORECASE)
# Where APIs write what is wrong: OpenAI and Ollama, vLLM and Mistral, FastAPI; some others.
_ERROR_FIELDS = ("error", "message", "detail", "errors", "msg", "error_msg", "title")


def is_api_error(body: str) -> bool:
    """Return whether a body is an error in the form of OpenAI, vLLM, Ollama, llama.cpp or FastAPI."""
    parsed = parsed_object(body)
    return any(parsed.get(name) for name in _ERROR_FIELDS)


def is_html(body: str) -> bool:
    """Return whether a body is a web page."""
    return _HTML.match(body) is not None


def kind_of_body(body: str) -> str:
    """Return what a body is that holds neither an answer nor an error, for people: `an HTML page`."""
    if not body.strip():
        return "an empty body"
    if is_html(body):
        return "an HTML page"
    if body.lstrip().startswith(("data:", "event:", ":")):
        return "an event stream"
    return "other JSON" if parsed_object(body) else "something that is not a JSON object"


def message_of(body: str) -> str:
    """Return the message of an error; the title or text of an HTML page; the whole body where it has no message."""
    parsed = parsed_object(body)
    error = parsed.get("error")
    candidates = (
        error.get("message") if isinstance(error, dict) else error,
        *(parsed.get(name) for name in _ERROR_FIELDS[1:]),
    )
    for candidate in candidates:
        if isinstance(candidate, str) and candidate.strip():
            return candidate
    if is_html(body):
        title = _TITLE.search(body)
        text = title[1] if title and title[1].strip() else body
        return _MARKUP.sub(" ", text[:MAX_COMPLAINT_LENGTH])
    try:
        # Serialised again, because an escape could hide the key.
        return json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


def room_for_answer(words: str) -> int | None:
    """Return how many tokens an answer may have, by a refusal in lower case; None where it names no limit."""
    if (most := _MAX_COMPLETION.search(words)) is not None:
        return int(most[1])
    context, asked = _CONTEXT.search(words), _INPUT.search(words)
    if context is None or asked is None:
        return None
    return int(context[1]) - int(asked[1]) - _SPARE_TOKENS


def retry_after_seconds(retry_after: str | None) -> float | None:
    """Return the pause that `Retry-After` asks for, as seconds or as an HTTP date; None where it names none."""
    if retry_after is None:
        return None
    with suppress(ValueError):
        seconds = float(retry_after)
        return None if math.isnan(seconds) else max(0.0, seconds)
    with suppress(ValueError):
        date = parsedate_to_datetime(retry_after)
        moment = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return None

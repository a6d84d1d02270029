"""What a provider's refusal means: for the page, for the call, or for the person who set Leafmark up.

An error counts as the API's own when its body is JSON in one of the forms that APIs have for errors. An HTML page,
an empty body or plain text comes from something in front of the API (a gateway, a sign-in page, another web
server), and says nothing about the key, the model or the bill.
"""

import json
import math
import re
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from worker.llm.errors import AnswerRefusedError, ProviderError, ProviderRefusesError
from worker.llm.raw_answer import parsed_object

_BAD_REQUEST, _UNAUTHORISED, _PAYMENT_REQUIRED, _FORBIDDEN, _NOT_FOUND = 400, 401, 402, 403, 404
_METHOD_NOT_ALLOWED, _TIMED_OUT, _CONFLICT, _TOO_LARGE = 405, 408, 409, 413
_UNPROCESSABLE, _TOO_MANY, _CLIENT_CLOSED = 422, 429, 499
_SERVER_ERRORS = 500
_AGAIN = frozenset({_TIMED_OUT, _CONFLICT, _TOO_MANY, _CLIENT_CLOSED})
# A gateway gives these when it has waited for a provider that may have answered, and charged, all the same.
_MAY_HAVE_BEEN_BILLED = frozenset({_TIMED_OUT, _CLIENT_CLOSED, 502, 503, 504, *range(520, 528)})
# With these a server has understood what it was asked, whatever else it says.
_HAS_UNDERSTOOD = frozenset({_TIMED_OUT, _CONFLICT, _TOO_LARGE, _TOO_MANY, _CLIENT_CLOSED, 504, *range(520, 528)})
# What a web server that is not the API answers to a path, a method or a visitor that it does not know.
_OFTEN_FOREIGN = frozenset(
    {_BAD_REQUEST, _UNAUTHORISED, _PAYMENT_REQUIRED, _FORBIDDEN, _NOT_FOUND, _METHOD_NOT_ALLOWED, _UNPROCESSABLE}
)
# What some servers say with a status that else stands for something of the request's own, or for haste.
_NO_CREDIT = ("insufficient_quota", "billing_not_active", "billing_hard_limit_reached")
_WRONG_KEY = ("invalid_api_key", "incorrect api key provided", "api key not valid")
_NO_MODEL = ("model_not_found", "is not a valid model id")
# Parameters that servers know, or not, in different forms.
_PARAMETER = re.compile(
    r"response_format|json_schema|json_object|json schema|structured output|guided|grammar"
    r"|temperature|max_tokens|max_completion_tokens|parameters?\b|(?:for|invalid) format"
)
# How servers complain of one. llama-cpp-python: "Input should be 'text' or 'json_object'"; llama.cpp:
# "response_format type must be one of"; LM Studio: "must be 'json_schema' or 'text'"; OpenRouter: "No endpoints
# found that can handle the requested parameters".
_COMPLAINT = re.compile(
    r"support|should be|must be|invalid|unknown|unrecogni[sz]ed|unexpected|only|not (?:allowed|permitted|available)"
    r"|unavailable|not implemented|can be specified|can handle|forbidden|deprecated|fail|cannot|too large"
)
_LONGEST_COMPLAINT = 4000
# How servers refuse a picture for a model that does not see. llama.cpp: "image input is not supported"; vLLM:
# "is not a multimodal model"; Ollama: "missing data required for image input"; OpenAI: "image_url is only supported
# by certain models"; OpenRouter: "No endpoints found that support image input"; llama-cpp-python: an error in it.
_NO_PICTURES = re.compile(
    r"(?:image|vision|multi-?modal)[^.{}]{0,60}(?:not|n't|only) (?:be )?(?:support|available|enabled|allowed)"
    r"|(?:not|n't) (?:support|accept|have)[^.{}]{0,40}(?:image|vision|multi-?modal)"
    r"|not a (?:vision|multi-?modal)|support image input|required for image input|mmproj"
    r"|concatenate str \(not \\*\"list\\*\"\)|content[^{}]{0,80}(?:valid string|must be a string)"
)
# vLLM: "maximum context length is 4096 tokens and your request has 2778 input tokens"; older ones: "(2778 in the
# messages, 8000 in the completion)". OpenAI: "This model supports at most 16384 completion tokens".
_CONTEXT = re.compile(r"context (?:length|window|size)\D{0,20}?(?:is|of|:)\s*(\d{2,9})\b")
_INPUT = re.compile(r"\b(\d{1,9}) (?:input tokens|prompt tokens|(?:tokens )?in the (?:messages|prompt|input))")
_MOST_COMPLETION = re.compile(r"at most (\d{2,9}) (?:completion|output) tokens")
_SPARE_TOKENS = 16
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)
_HTML = re.compile(r"\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body)\b", re.DOTALL | re.IGNORECASE)
# LM Studio, with status 200: "Unexpected endpoint or method. (POST /chat/completions)".
_NO_SUCH_PATH = re.compile(r"endpoint|not found|no route|unknown (?:path|url)|cannot post|method not allowed")
# Where APIs write what is wrong: OpenAI and Ollama, vLLM and Mistral, FastAPI; some others.
_ERROR_FIELDS = ("error", "message", "detail", "errors", "msg", "error_msg", "title")
_CHECK_URL = "check LEAFMARK_LLM_BASE_URL, which usually ends in /v1"


class CallFailedError(ProviderError):
    """A call came to nothing, and another try may succeed.

    Attributes:
        retry_after_seconds: how long the provider asks us to wait; None where it does not say.
        may_have_been_billed: whether the provider may have answered and charged although we got no answer.
        is_rate_limit: whether the provider works, and only wants fewer calls.
        is_foreign: whether what answered is hardly the API: a person may have to correct an address.
        is_timeout: whether the call ran out of the time that it may take.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        retry_after_seconds: float | None = None,
        may_have_been_billed: bool = False,
        is_rate_limit: bool = False,
        is_foreign: bool = False,
        is_timeout: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds
        self.may_have_been_billed = may_have_been_billed
        self.is_rate_limit = is_rate_limit
        self.is_foreign = is_foreign
        self.is_timeout = is_timeout


class RequestRefusedError(AnswerRefusedError):
    """The provider serves us, but not this page: too long, or against its rules. Nothing was billed."""

    def __init__(self, message: str) -> None:
        super().__init__("request_refused", message)


class NotUnderstoodError(Exception):
    """The server refuses a request as it is put; another way of putting it may do.

    Attributes:
        words: what the server says, in lower case.
        otherwise: what the refusal stands for when no other way of putting it is left.
    """

    def __init__(self, words: str, otherwise: Exception) -> None:
        super().__init__(str(otherwise))
        self.words = words
        self.otherwise = otherwise


def refusal(model: str, status: int, body: str, said: str, retry_after: float | None = None) -> Exception:
    """The exception that an error of a provider stands for.

    Args:
        model: that was asked.
        status: of HTTP.
        body: of the response.
        said: the same for people, without the key.
        retry_after: seconds that the provider asks us to wait; None where it does not say.
    """
    meaning = _meaning(model, status, body, said, retry_after)
    refuses_form = status in {_BAD_REQUEST, _UNPROCESSABLE} and not is_html(body)
    if isinstance(meaning, ProviderRefusesError) and status != _NOT_FOUND:
        return meaning
    # Some servers answer 500, or 404, to what they do not understand; they have not begun to work then.
    if refuses_form or (status not in _HAS_UNDERSTOOD and _is_about_form(body)):
        return NotUnderstoodError(body.casefold(), meaning)
    return meaning


def _meaning(model: str, status: int, body: str, said: str, retry_after: float | None) -> Exception:
    """What an error stands for where it is not about the form of the request."""
    if not is_api_error(body):
        return _foreign_refusal(status, body, said, retry_after)
    if (remedy := _remedy(model, status, body)) is not None:
        return ProviderRefusesError(f"{said}; {remedy}")
    if status in _AGAIN or status >= _SERVER_ERRORS:
        return CallFailedError(
            said,
            retry_after_seconds=retry_after,
            may_have_been_billed=status in _MAY_HAVE_BEEN_BILLED,
            is_rate_limit=status == _TOO_MANY,
        )
    return RequestRefusedError(said)


def refuses_pictures(body: str) -> bool:
    """Whether an error says that the model does not take pictures."""
    return not is_html(body) and _NO_PICTURES.search(body[:_LONGEST_COMPLAINT].casefold()) is not None


def no_answer(said: str, body: str) -> CallFailedError:
    """The exception that a response with a good status and without an answer stands for.

    Args:
        said: what the server said, for people, without the key.
        body: of the response.
    """
    foreign = not is_api_error(body) or bool(_NO_SUCH_PATH.search(body.casefold()))
    hint = f"; {_CHECK_URL}" if foreign else ""
    return CallFailedError(f"{said}{hint}", may_have_been_billed=True, is_foreign=foreign)


def is_api_error(body: str) -> bool:
    """Whether a body is an error as APIs write it: OpenAI's, vLLM's, Ollama's, llama.cpp's or FastAPI's form."""
    parsed = parsed_object(body)
    return any(parsed.get(name) for name in _ERROR_FIELDS)


def message_of(body: str) -> str:
    """What an error says to people, in the shapes that servers have for it; the whole body where it has none.

    Of an HTML page it is the title, or else the text.
    """
    parsed = parsed_object(body)
    error = parsed.get("error")
    shapes = (
        error.get("message") if isinstance(error, dict) else error,
        *(parsed.get(name) for name in _ERROR_FIELDS[1:]),
    )
    if (said := next((shape for shape in shapes if isinstance(shape, str) and shape.strip()), None)) is not None:
        return said
    if is_html(body):
        title = _TITLE.search(body)
        text = title[1] if title and title[1].strip() else body
        return _MARKUP.sub(" ", text[:_LONGEST_COMPLAINT])
    try:
        # Written anew, because an escape could hide the key.
        return json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


def is_html(body: str) -> bool:
    """Whether a body is a web page."""
    return _HTML.match(body) is not None


def room_for_answer(words: str) -> int | None:
    """How many tokens an answer may have at the most, by a refusal of a longer one; None where it does not say.

    Args:
        words: what the server says, in lower case.
    """
    if (most := _MOST_COMPLETION.search(words)) is not None:
        return int(most[1])
    context, asked = _CONTEXT.search(words), _INPUT.search(words)
    if context is None or asked is None:
        return None
    return int(context[1]) - int(asked[1]) - _SPARE_TOKENS


def _foreign_refusal(status: int, body: str, said: str, retry_after: float | None) -> Exception:
    """What an error that the API did not write stands for. A gateway may hide an answer that was billed."""
    if status < _BAD_REQUEST:
        return ProviderRefusesError(f"{said}; it sends us elsewhere: correct LEAFMARK_LLM_BASE_URL")
    overloaded = status in _AGAIN or status >= _SERVER_ERRORS
    if status == _TOO_LARGE or not (overloaded or status in _OFTEN_FOREIGN or is_html(body)):
        # A proxy with a limit has not passed the page on.
        return RequestRefusedError(said)
    return CallFailedError(
        said if overloaded else f"{said}; that is not the answer of an API: {_CHECK_URL}",
        retry_after_seconds=retry_after,
        may_have_been_billed=True,
        is_foreign=not overloaded,
    )


def _is_about_form(body: str) -> bool:
    """Whether an error complains of how the request is put."""
    if is_html(body):
        return False
    said = body.casefold() if len(body) <= _LONGEST_COMPLAINT else message_of(body).casefold()
    return len(said) <= _LONGEST_COMPLAINT and bool(_PARAMETER.search(said) and _COMPLAINT.search(said))


def _remedy(model: str, status: int, body: str) -> str | None:
    """What a person has to do before a provider serves us; None where it is not about us."""
    words = body.casefold()

    def says(phrases: tuple[str, ...]) -> bool:
        return any(phrase in words for phrase in phrases)

    remedies = (
        (status < _BAD_REQUEST, "it sends us elsewhere: correct LEAFMARK_LLM_BASE_URL"),
        (
            status == _UNAUTHORISED or (status == _BAD_REQUEST and says(_WRONG_KEY)),
            "the key is wrong or missing: set LEAFMARK_LLM_API_KEY",
        ),
        (
            status == _PAYMENT_REQUIRED or (status == _TOO_MANY and says(_NO_CREDIT)),
            "there is no credit left: buy some, or set another LEAFMARK_LLM_API_KEY",
        ),
        (
            status == _FORBIDDEN and not _is_about_the_page(body),
            f"the key of LEAFMARK_LLM_API_KEY may not use {model}: allow it, or set another one",
        ),
        (
            status == _NOT_FOUND or (status == _BAD_REQUEST and says(_NO_MODEL)),
            f"no model {model}, or no server at that path: correct LEAFMARK_LLM_BASE_URL or the stage's model",
        ),
    )
    return next((remedy for applies, remedy in remedies if applies), None)


def _is_about_the_page(body: str) -> bool:
    """Whether a provider forbids a question because of what it says (OpenRouter's moderation)."""
    error = parsed_object(body).get("error")
    metadata = error.get("metadata") if isinstance(error, dict) else None
    return isinstance(metadata, dict) and bool(metadata.get("reasons") or metadata.get("flagged_input"))


def retry_after_seconds(retry_after: str | None) -> float | None:
    """How long a provider asks us to wait, from `Retry-After`: a number of seconds, or a date of HTTP."""
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

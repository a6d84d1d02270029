"""What a provider's refusal means: for the page, for the call, or for the person who set Leafmark up."""

import json
import math
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from worker.llm.errors import AnswerRefusedError, ProviderError, ProviderRefusesError
from worker.llm.raw_answer import parsed_object

_BAD_REQUEST, _UNAUTHORISED, _PAYMENT_REQUIRED, _FORBIDDEN, _NOT_FOUND = 400, 401, 402, 403, 404
_TIMED_OUT, _CONFLICT, _UNPROCESSABLE, _TOO_MANY = 408, 409, 422, 429
_SERVER_ERRORS = 500
_AGAIN = frozenset({_TIMED_OUT, _CONFLICT, _TOO_MANY})
# What some servers say with a status that else stands for something of the request's own, or for haste.
_NO_CREDIT = ("insufficient_quota", "billing_not_active", "billing_hard_limit_reached")
_WRONG_KEY = ("invalid_api_key", "incorrect api key provided", "api key not valid")
_NO_MODEL = ("model_not_found", "is not a valid model id")


class CallFailedError(ProviderError):
    """A call came to nothing, and another try may succeed.

    Attributes:
        retry_after_seconds: how long the provider asks us to wait; None where it does not say.
        may_have_been_billed: whether the provider may have answered and charged although we got no answer.
    """

    def __init__(
        self, message: str, *, retry_after_seconds: float | None = None, may_have_been_billed: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.may_have_been_billed = may_have_been_billed


class RequestRefusedError(AnswerRefusedError):
    """The provider serves us, but not this page: too long, or against its rules. Nothing was billed."""

    def __init__(self, message: str) -> None:
        super().__init__("request_refused", message)


class NotUnderstoodError(Exception):
    """The server refuses a request as it is put; another way of putting it may do.

    Attributes:
        words: what the server says, in lower case.
    """

    def __init__(self, message: str, words: str) -> None:
        super().__init__(message)
        self.words = words


def refusal(model: str, status: int, body: str, said: str, retry_after: float | None = None) -> Exception:
    """The exception that an error of a provider stands for.

    Args:
        model: that was asked.
        status: of HTTP.
        body: of the response.
        said: the same for people, without the key.
        retry_after: seconds that the provider asks us to wait; None where it does not say.
    """
    if (remedy := _remedy(model, status, body)) is not None:
        return ProviderRefusesError(f"{said}; {remedy}")
    if status in _AGAIN or status >= _SERVER_ERRORS:
        return CallFailedError(said, retry_after_seconds=retry_after)
    if status in {_BAD_REQUEST, _UNPROCESSABLE}:
        return NotUnderstoodError(said, body.casefold())
    return RequestRefusedError(said)


def message_of(body: str) -> str:
    """What an error says to people, in the shapes that servers have for it; the whole body where it has none."""
    parsed = parsed_object(body)
    error = parsed.get("error")
    shapes = (
        error.get("message") if isinstance(error, dict) else error,
        parsed.get("message"),
        parsed.get("detail"),
    )
    if (said := next((shape for shape in shapes if isinstance(shape, str) and shape.strip()), None)) is not None:
        return said
    try:
        # Written anew, because an escape could hide the key.
        return json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


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

"""What the error of a provider means: for the page, for the call, or for the person who set Leafmark up.

Only an error that the API itself wrote says anything about the key, the model or the bill.
"""

import re
from http import HTTPStatus

from worker.llm.answer_text import as_dict
from worker.llm.error_body import MAX_COMPLAINT_LENGTH, is_api_error, is_html, message_of
from worker.llm.errors import CallFailedError, FormRefusedError, ProviderRefusesError, RequestRefusedError
from worker.llm.raw_answer import parsed_object

_CLIENT_CLOSED = 499
_CLOUDFLARE_ERRORS = range(520, 528)
_RETRY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, _CLIENT_CLOSED})
# A gateway returns these after waiting for a provider that may have answered, and charged, all the same.
_MAY_HAVE_BEEN_BILLED = frozenset({HTTPStatus.REQUEST_TIMEOUT, _CLIENT_CLOSED, 502, 503, 504, *_CLOUDFLARE_ERRORS})
# With these a server has understood the request, whatever else the error says.
_UNDERSTOOD = _RETRY | {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.GATEWAY_TIMEOUT, *_CLOUDFLARE_ERRORS}
# What a web server that is not the API returns for a path, a method or a visitor that it does not know.
_OFTEN_FOREIGN = frozenset({400, 401, 402, 403, 404, 405, 422})
# Errors that some servers send with a status that usually means something else.
_NO_CREDIT = ("insufficient_quota", "billing_not_active", "billing_hard_limit_reached")
_WRONG_KEY = ("invalid_api_key", "incorrect api key provided", "api key not valid")
_NO_MODEL = ("model_not_found", "is not a valid model id")
# Parameters that not every server knows.
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
# How servers refuse a picture for a text model. llama.cpp: "image input is not supported"; vLLM:
# "is not a multimodal model"; Ollama: "missing data required for image input"; OpenAI: "image_url is only supported
# by certain models"; OpenRouter: "No endpoints found that support image input"; llama-cpp-python: a TypeError.
_NO_PICTURES = re.compile(
    r"(?:image|vision|multi-?modal)[^.{}]{0,60}(?:not|n't|only) (?:be )?(?:support|available|enabled|allowed)"
    r"|(?:not|n't) (?:support|accept|have)[^.{}]{0,40}(?:image|vision|multi-?modal)"
    r"|not a (?:vision|multi-?modal)|support image input|required for image input|mmproj"
    r"|concatenate str \(not \\*\"list\\*\"\)|content[^{}]{0,80}(?:valid string|must be a string)"
)
# LM Studio, with status 200: "Unexpected endpoint or method. (POST /chat/completions)".
_NO_SUCH_PATH = re.compile(r"endpoint|not found|no route|unknown (?:path|url)|cannot post|method not allowed")
_CHECK_URL = "check LEAFMARK_LLM_BASE_URL, which usually ends in /v1"
_REDIRECTED = "it redirects to another address: correct LEAFMARK_LLM_BASE_URL"


def refusal(model: str, status: int, body: str, said: str, retry_after: float | None = None) -> Exception:
    """Return the exception that an error of a provider means.

    `said` is the error for people, without the key; `retry_after` the seconds that the provider asks to wait.
    """
    meaning = _meaning(model, status, body, said, retry_after)
    refuses_form = status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY} and not is_html(body)
    if isinstance(meaning, ProviderRefusesError) and status != HTTPStatus.NOT_FOUND:
        return meaning
    # Some servers return 500, or 404, for a parameter that they do not know; they have not begun to work then.
    if refuses_form or (status not in _UNDERSTOOD and _is_about_form(body)):
        return FormRefusedError(body.casefold(), meaning)
    return meaning


def no_answer(said: str, body: str) -> CallFailedError:
    """Return the exception that a response with a good status and without an answer means."""
    is_foreign = not is_api_error(body) or bool(_NO_SUCH_PATH.search(body.casefold()))
    hint = _CHECK_URL if is_foreign else ""
    return CallFailedError(said, hint=hint, may_have_been_billed=True, is_foreign=is_foreign)


def refuses_pictures(body: str) -> bool:
    """Return whether an error says that the model does not take pictures."""
    return not is_html(body) and _NO_PICTURES.search(body[:MAX_COMPLAINT_LENGTH].casefold()) is not None


def _meaning(model: str, status: int, body: str, said: str, retry_after: float | None) -> Exception:
    """Return what an error means where it is not about the form of the request."""
    if not is_api_error(body):
        return _meaning_of_foreign(status, body, said, retry_after)
    if (hint := _hint(model, status, body)) is not None:
        return ProviderRefusesError(said, hint=hint)
    if _is_overload(status):
        return CallFailedError(
            said,
            retry_after_seconds=retry_after,
            may_have_been_billed=status in _MAY_HAVE_BEEN_BILLED,
            is_rate_limit=status == HTTPStatus.TOO_MANY_REQUESTS,
        )
    return RequestRefusedError(said)


def _meaning_of_foreign(status: int, body: str, said: str, retry_after: float | None) -> Exception:
    """Return what an error means that the API did not write. A gateway may hide an answer that was billed."""
    if status < HTTPStatus.BAD_REQUEST:
        return ProviderRefusesError(said, hint=_REDIRECTED)
    is_overload = _is_overload(status)
    may_be_foreign = is_overload or status in _OFTEN_FOREIGN or is_html(body)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or not may_be_foreign:
        # A proxy with a limit has not passed the page on.
        return RequestRefusedError(said)
    return CallFailedError(
        said,
        hint="" if is_overload else f"that is not the answer of an API: {_CHECK_URL}",
        retry_after_seconds=retry_after,
        may_have_been_billed=True,
        is_foreign=not is_overload,
    )


def _is_overload(status: int) -> bool:
    return status in _RETRY or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _is_about_form(body: str) -> bool:
    """Return whether an error complains of a parameter of the request."""
    if is_html(body):
        return False
    said = body.casefold() if len(body) <= MAX_COMPLAINT_LENGTH else message_of(body).casefold()
    return len(said) <= MAX_COMPLAINT_LENGTH and bool(_PARAMETER.search(said) and _COMPLAINT.search(said))


def _hint(model: str, status: int, body: str) -> str | None:
    """Return what a person has to do before the provider accepts calls; None where the error is not about that."""
    words = body.casefold()

    def says(phrases: tuple[str, ...]) -> bool:
        return any(phrase in words for phrase in phrases)

    is_bad_request = status == HTTPStatus.BAD_REQUEST
    if status < HTTPStatus.BAD_REQUEST:
        return _REDIRECTED
    if status == HTTPStatus.UNAUTHORIZED or (is_bad_request and says(_WRONG_KEY)):
        return "the key is wrong or missing: set LEAFMARK_LLM_API_KEY"
    if status == HTTPStatus.PAYMENT_REQUIRED or (status == HTTPStatus.TOO_MANY_REQUESTS and says(_NO_CREDIT)):
        return "there is no credit left: buy some, or set another LEAFMARK_LLM_API_KEY"
    if status == HTTPStatus.FORBIDDEN and not _is_moderation(body):
        return f"the key of LEAFMARK_LLM_API_KEY may not use {model}: allow it, or set another key"
    if status == HTTPStatus.NOT_FOUND or (is_bad_request and says(_NO_MODEL)):
        return f"no model {model}, or no server at that path: correct LEAFMARK_LLM_BASE_URL or the stage's model"
    return None


def _is_moderation(body: str) -> bool:
    """Return whether a provider refuses a question because of its content (OpenRouter's moderation)."""
    metadata = as_dict(as_dict(parsed_object(body).get("error")).get("metadata"))
    return bool(metadata.get("reasons") or metadata.get("flagged_input"))

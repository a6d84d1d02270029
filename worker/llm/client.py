"""One HTTP call to an OpenAI-compatible server, and what its failures mean.

The call is not made again here (`worker/llm/backoff.py` is about that), with one exception: a server that complains
of the form of a request, whatever the status of its complaint, is asked at once in the next form. Such a refusal
costs nothing, and what the model does understand is remembered for the process:

- `response_format` with a strict JSON schema; where it is refused, `json_object`, with the schema beside it where
  that is not refused; where `json_object` is refused as well, nothing. In all forms but the first the schema goes
  into the instructions, below a line `Answer schema: NAME`.
- `temperature`; left out where it is refused, as models that reason do.
- the longest answer, made as short as the server says that it has room for: vLLM refuses a question whose longest
  answer would not fit into the model's context with it.
- `max_tokens`, which vLLM, Ollama, LM Studio, llama.cpp and OpenRouter all understand. Some of these overlook
  `max_completion_tokens` without a word, and would answer without any limit. Where `max_tokens` is refused, as by
  OpenAI's newer models, the other is sent instead; to OpenAI's own server from the start.

The API key goes into the request and nowhere else: servers that quote it in their errors are not quoted with it,
and no exception of the HTTP library, which holds the request, is chained to ours.
"""

import base64
import json
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from checkpointing.errors import SettingsError, in_one_line
from worker.llm.errors import ProviderRefusesError
from worker.llm.prompt import Answer, Prompt
from worker.llm.raw_answer import RawAnswer, error_of, holds_answer, parsed_object, status_of, was_paid_for
from worker.llm.refusals import (
    CallFailedError,
    NotUnderstoodError,
    is_html,
    message_of,
    no_answer,
    refusal,
    refuses_pictures,
    retry_after_seconds,
    room_for_answer,
)
from worker.llm.schemas import object_format, schema_name, schema_text, strict_format

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError, OpenAI
    from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionMessageParam
    from openai.types.chat.completion_create_params import ResponseFormat

_CONNECTIONS = 256
_CONNECT_SECONDS = 10.0
# Far longer than any page; a server that sends more is broken.
_MOST_BYTES = 64 * 1024 * 1024
# A page's answer is hardly shorter; to ask for less is of no use.
_LEAST_TOKENS = 256
_OPENAI_HOST = "api.openai.com"
_OPENROUTER_HOST = "openrouter.ai"

# Failures before the request was on its way, by the name of the HTTP library's exception.
_NEVER_SENT = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "LocalProtocolError"}
)
# Failures by time running out, by the same name.
_TOO_LATE = frozenset({"ReadTimeout", "WriteTimeout"})


class _TooLateError(Exception):
    """The response takes more time than it may."""


class _TooLongError(Exception):
    """The response has more bytes than it may."""


class _AnswerForm(StrEnum):
    """How the form of the answer is asked for."""

    SCHEMA = "json_schema"
    OBJECT_OF_SCHEMA = "json_object with a schema"
    """llama-cpp-python, older llama.cpp, Together and Fireworks hold the model to it; others overlook it."""
    OBJECT = "json_object"
    PROMPT = "prompt"
    """In words alone."""

    def next(self, words: str) -> "_AnswerForm | None":
        """What to try where this form was refused in these words; None where nothing is left."""
        match self:
            case _AnswerForm.SCHEMA:
                return _AnswerForm.OBJECT_OF_SCHEMA
            case _AnswerForm.OBJECT_OF_SCHEMA if _ABOUT_SCHEMA.search(words):
                return _AnswerForm.OBJECT
            case _AnswerForm.PROMPT:
                return None
            case _:
                return _AnswerForm.PROMPT


# Complaints about the schema in a `json_object`, and not about that type as such.
_ABOUT_SCHEMA = re.compile(r"schema|object|extra|additional|unknown|unrecogni[sz]ed|unexpected|not permitted")


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How a model is spoken to."""

    form: _AnswerForm = _AnswerForm.SCHEMA
    temperature: bool = True
    completion_tokens: bool = False

    def others(self, words: str) -> Iterator["_Dialect"]:
        """What to try after a refusal in these words, the likeliest first."""
        if "max_tokens" in words or "max_completion_tokens" in words:
            yield replace(self, completion_tokens=not self.completion_tokens)
        if "temperature" in words and self.temperature:
            yield replace(self, temperature=False)
        # Servers that do not know a form refuse it in all sorts of words.
        if (form := self.form.next(words)) is not None:
            yield replace(self, form=form)


class ModelClient:
    """Asks one server. Many threads may share it; a forked child makes connections of its own.

    Args:
        base_url: of the server, with the version: `…/v1`.
        api_key: for it; may be empty for servers that ask for none.
        timeout_seconds: how long a call may take, from the question to the last byte of the answer. A server that
            sends byte by byte is noticed at the first byte after that.

    Raises:
        SettingsError: the address is none, or the key cannot be a key.
    """

    _lock: threading.Lock
    _client: "OpenAI | None"

    def __init__(self, base_url: str, api_key: str, timeout_seconds: float) -> None:
        self._api_key = api_key.strip()
        if not self._api_key.isascii() or not self._api_key.isprintable():
            raise SettingsError("LEAFMARK_LLM_API_KEY holds characters that no key has: set it again")
        self._base_url = base_url
        self._host = _host_of(base_url)
        self._timeout_seconds = timeout_seconds
        self._first_dialect = _Dialect(completion_tokens=self._host == _OPENAI_HOST)
        self._dialects: dict[str, _Dialect] = {}
        self._start_afresh()
        os.register_at_fork(after_in_child=self._start_afresh)

    def prepare(self) -> None:
        """Load what a call needs, before it is noted as asked: a worker that dies meanwhile has sent nothing."""
        _ = self._connected().chat.completions

    def send(self, model: str, prompt: Prompt[Answer]) -> RawAnswer:
        """Ask a model once.

        Raises:
            CallFailedError: it failed for now.
            RequestRefusedError: it refuses this question.
            ProviderRefusesError: it refuses all questions until a person does something; says what.
        """
        dialect = self._dialects.get(model, self._first_dialect)
        tried = {dialect}
        most_tokens = prompt.most_tokens
        while True:
            try:
                raw = self._post(model, prompt, dialect, most_tokens)
            except NotUnderstoodError as refused:
                room = room_for_answer(refused.words)
                if room is not None and _LEAST_TOKENS <= room < most_tokens:
                    # Of this page only; the next one may be shorter.
                    most_tokens = room
                    continue
                untried = (other for other in dialect.others(refused.words) if other not in tried)
                if (other := next(untried, None)) is None:
                    raise refused.otherwise from None
                dialect = other
                tried.add(dialect)
            else:
                # Only now is it known that this was what the server did not like.
                self._dialects[model] = dialect
                return raw

    def quoted_error(self, raw: RawAnswer) -> str:
        """Return the error that a response has instead of an answer, on one line; empty where it has none."""
        error = error_of(raw)
        return "" if error is None else self._quoted(json.dumps({"error": error}))

    def close(self) -> None:
        """Close the connections. The next call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._client = None

    def _connected(self) -> "OpenAI":
        # Half a second to import, which commands that ask no model need not spend.
        import httpx2  # noqa: PLC0415
        from openai import DefaultHttpxClient, OpenAI  # noqa: PLC0415

        with self._lock:
            if self._client is None:
                timeout = httpx2.Timeout(
                    self._timeout_seconds, connect=min(_CONNECT_SECONDS, self._timeout_seconds)
                )
                limits = httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
                self._client = OpenAI(
                    base_url=self._base_url,
                    # The library insists on one.
                    api_key=self._api_key or "none",
                    timeout=timeout,
                    max_retries=0,
                    # The key is for this server, and not for the one that it may send us to.
                    http_client=DefaultHttpxClient(timeout=timeout, limits=limits, follow_redirects=False),
                )
            return self._client

    def _post(self, model: str, prompt: Prompt[Answer], dialect: _Dialect, most_tokens: int) -> RawAnswer:
        import httpx2  # noqa: PLC0415
        from openai import APIConnectionError, APIStatusError, omit  # noqa: PLC0415

        completions = self._connected().chat.completions
        started = time.monotonic()
        try:
            with completions.with_streaming_response.create(
                model=model,
                messages=_messages(prompt, schema_in_words=dialect.form is not _AnswerForm.SCHEMA),
                response_format=_response_format(prompt, dialect.form) or omit,
                temperature=prompt.temperature if dialect.temperature else omit,
                max_tokens=omit if dialect.completion_tokens else most_tokens,
                max_completion_tokens=most_tokens if dialect.completion_tokens else omit,
                extra_body={"usage": {"include": True}} if self._host == _OPENROUTER_HOST else None,
            ) as response:
                body = _decoded(_within(response.iter_bytes(), started + self._timeout_seconds))
                raw = RawAnswer(
                    body=body,
                    status=response.status_code,
                    content_type=response.headers.get("content-type", ""),
                    seconds=time.monotonic() - started,
                    response_id=_response_id(body),
                )
        except APIStatusError as error:
            raise self._status_failure(model, prompt, error) from None
        except APIConnectionError as error:
            raise self._connection_failure(error) from None
        except (httpx2.TimeoutException, _TooLateError):
            raise self._too_late() from None
        except (httpx2.HTTPError, OSError, _TooLongError) as error:
            raise CallFailedError(
                f"the answer of {self._host} broke off ({type(error).__name__})", may_have_been_billed=True
            ) from None
        if (failure := self._failure_of(model, prompt, raw)) is not None:
            raise failure
        return raw

    def _failure_of(self, model: str, prompt: Prompt[Answer], raw: RawAnswer) -> Exception | None:
        """What a response stands for that has a good status and holds no answer; None where it holds one.

        OpenRouter sends errors so once it has begun to respond; other servers send web pages, event streams or
        nothing. What says that it took tokens or cost something is an answer, if an empty one: its cost must not be
        lost.
        """
        if holds_answer(raw) or was_paid_for(raw):
            return None
        error = error_of(raw)
        if error is None:
            quoted = f": {said}" if (said := self._quoted(raw.body)) else ""
            what = f"{_kind_of_body(raw.body)} instead of an answer"
            return no_answer(f"{self._host} sends status {raw.status} with {what}{quoted}", raw.body)
        body = json.dumps({"error": error})
        said = self._quoted(body)
        if prompt.picture is not None and refuses_pictures(body):
            return self._sees_nothing(model, f"{self._host} says {raw.status}: {said}")
        if (status := status_of(error)) is not None:
            return refusal(model, status, body, f"{self._host} says {status}: {said}")
        return no_answer(f"{self._host} says {raw.status}: {said}", body)

    def _connection_failure(self, error: "APIConnectionError") -> CallFailedError:
        cause = type(error.__cause__).__name__
        if cause in _NEVER_SENT:
            return CallFailedError(f"{self._host} cannot be reached ({cause})")
        if cause in _TOO_LATE:
            return self._too_late()
        return CallFailedError(f"{self._host} gave no answer ({cause})", may_have_been_billed=True)

    def _too_late(self) -> CallFailedError:
        return CallFailedError(
            f"{self._host} gave no answer within {self._timeout_seconds:g} s (LEAFMARK_LLM_SECONDS)",
            may_have_been_billed=True,
            is_timeout=True,
        )

    def _sees_nothing(self, model: str, said: str) -> ProviderRefusesError:
        remedy = f"{model} does not take pictures: set the stage's model to one that does"
        return ProviderRefusesError(f"{said}; {remedy}")

    def _status_failure(self, model: str, prompt: Prompt[Answer], error: "APIStatusError") -> Exception:
        status, body = error.status_code, _decoded([error.response.content])
        said = f"{self._host} says {status}: {self._quoted(body)}"
        if prompt.picture is not None and refuses_pictures(body):
            return self._sees_nothing(model, said)
        return refusal(model, status, body, said, retry_after_seconds(error.response.headers.get("retry-after")))

    def _quoted(self, body: str) -> str:
        """What a server says in an error, on one line and without the key."""
        message = message_of(body)
        return in_one_line(message.replace(self._api_key, "***") if self._api_key else message, 300)


def _host_of(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        # Looked at because it is only then that a wrong one is noticed.
        _ = parts.port
    except ValueError:
        raise SettingsError("LEAFMARK_LLM_BASE_URL is no address of a server") from None
    if not parts.hostname:
        raise SettingsError("LEAFMARK_LLM_BASE_URL names no server")
    return parts.hostname


def _kind_of_body(body: str) -> str:
    if not body.strip():
        return "an empty body"
    if is_html(body):
        return "an HTML page"
    if body.lstrip().startswith(("data:", "event:", ":")):
        return "an event stream"
    return "other JSON" if parsed_object(body) else "something that is not a JSON object"


def _response_format(prompt: Prompt[Answer], form: _AnswerForm) -> "ResponseFormat | None":
    match form:
        case _AnswerForm.SCHEMA:
            return strict_format(prompt.answer)
        case _AnswerForm.OBJECT_OF_SCHEMA:
            return object_format(prompt.answer)
        case _AnswerForm.OBJECT:
            return {"type": "json_object"}
        case _AnswerForm.PROMPT:
            return None


def _messages(prompt: Prompt[Answer], *, schema_in_words: bool) -> "list[ChatCompletionMessageParam]":
    system = prompt.system
    if schema_in_words:
        system = (
            f"{system}\n\nAnswer with one JSON object and nothing else. It must match this JSON schema.\n"
            f"Answer schema: {schema_name(prompt.answer)}\n{schema_text(prompt.answer)}"
        )
    words: ChatCompletionContentPartParam = {"type": "text", "text": prompt.user}
    if prompt.picture is None:
        return [{"role": "system", "content": system}, {"role": "user", "content": prompt.user}]
    data = base64.b64encode(prompt.picture.data).decode()
    url = f"data:{prompt.picture.media_type};base64,{data}"
    parts: list[ChatCompletionContentPartParam] = [words, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "system", "content": system}, {"role": "user", "content": parts}]


def _within(chunks: Iterable[bytes], deadline: float) -> Iterator[bytes]:
    """The chunks of a response, as long as they come in time.

    Raises:
        _TooLateError: they do not.
        _TooLongError: there are too many.
    """
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if time.monotonic() > deadline:
            raise _TooLateError
        if size > _MOST_BYTES:
            raise _TooLongError
        yield chunk


def _decoded(chunks: Iterable[bytes]) -> str:
    # JSON is UTF-8, whatever the content type says. Other bytes become escapes that JSON does not have, so that a
    # word which they stand in is refused rather than changed.
    return b"".join(chunks).decode("utf-8-sig", errors="backslashreplace")


def _response_id(body: str) -> str:
    name = parsed_object(body).get("id")
    return in_one_line(name, 200) if isinstance(name, str) else ""

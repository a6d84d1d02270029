"""One HTTP call to an OpenAI-compatible server.

A failed call is not repeated here (`worker/llm/backoff.py`), with two exceptions that cost nothing, because the
server refused before it began: a server that complains of the form of a request, with whatever status, is called
at once in the next form (`request_form.py`), and the form that works is remembered for the process. And where the
answer would not fit into the model's context, it is asked for as short as the server has room for.

The API key goes into the request and nowhere else: errors are quoted without it, and no exception of the HTTP
library, which holds the request, is chained to ours.
"""

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from checkpointing.errors import SettingsError, in_one_line
from worker.llm.error_body import kind_of_body, message_of, retry_after_seconds, room_for_answer
from worker.llm.errors import CallFailedError, FormRefusedError, ProviderRefusesError
from worker.llm.prompt import Answer, Prompt
from worker.llm.raw_answer import RawAnswer, error_of, holds_answer, parsed_object, status_of, was_paid_for
from worker.llm.refusals import no_answer, refusal, refuses_pictures
from worker.llm.request_form import RequestForm

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError, OpenAI

_CONNECTIONS = 256
_CONNECT_SECONDS = 10.0
# Far longer than any page; a server that sends more is broken.
_MAX_BYTES = 64 * 1024 * 1024
# The answer to a page is hardly shorter, so a smaller limit is useless.
_MIN_TOKENS = 256
_OPENAI_HOST = "api.openai.com"
_OPENROUTER_HOST = "openrouter.ai"

# Failures before the request was on its way, by the name of the HTTP library's exception.
_NEVER_SENT = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "LocalProtocolError"}
)
# Timeouts, by the same name.
_TIMEOUTS = frozenset({"ReadTimeout", "WriteTimeout"})


class _TimeLimitError(Exception):
    """The response exceeds the time limit."""


class _SizeLimitError(Exception):
    """The response exceeds the size limit."""


class ModelClient:
    """Calls one server. Threads may share a client; a forked child opens its own connections.

    Args:
        base_url: address of the server, with the version: `…/v1`.
        api_key: key for the server; may be empty for servers that need none.
        timeout_seconds: maximum time from the question to the last byte of the answer. A server that sends byte by
            byte is noticed at the first byte after that.

    Raises:
        SettingsError: the address or the key is invalid.
    """

    _lock: threading.Lock
    _client: "OpenAI | None"

    def __init__(self, base_url: str, api_key: str, timeout_seconds: float) -> None:
        self._api_key = api_key.strip()
        if not self._api_key.isascii() or not self._api_key.isprintable():
            raise SettingsError("LEAFMARK_LLM_API_KEY has characters that no key has", hint="set it again")
        self._base_url = base_url
        self._host = _host_of(base_url)
        self._timeout_seconds = timeout_seconds
        self._first_form = RequestForm(has_completion_tokens=self._host == _OPENAI_HOST)
        self._forms: dict[str, RequestForm] = {}
        self._disconnect()
        os.register_at_fork(after_in_child=self._disconnect)

    def prepare(self) -> None:
        """Load what a call needs before it is recorded as asked: a worker that dies meanwhile has sent nothing."""
        _ = self._connected().chat.completions

    def send(self, model: str, prompt: Prompt[Answer]) -> RawAnswer:
        """Call a model once.

        Raises:
            CallFailedError: the call got no answer, and another try may succeed.
            RequestRefusedError: the provider refuses this question.
            ProviderRefusesError: the provider refuses all questions until a person acts; the hint names how.
        """
        form = self._forms.get(model, self._first_form)
        tried = {form}
        most_tokens = prompt.most_tokens
        while True:
            try:
                raw = self._post(model, prompt, form, most_tokens)
            except FormRefusedError as refused:
                room = room_for_answer(refused.words)
                if room is not None and _MIN_TOKENS <= room < most_tokens:
                    # For this page only; the next one may be shorter.
                    most_tokens = room
                    continue
                untried = (other for other in form.alternatives(refused.words) if other not in tried)
                if (other := next(untried, None)) is None:
                    raise refused.otherwise from None
                form = other
                tried.add(form)
            else:
                # Only an answer shows that the form was what the server refused.
                self._forms[model] = form
                return raw

    def quoted_error(self, raw: RawAnswer) -> str:
        """Return the error in a response that has no answer, on one line; empty where it has none."""
        error = error_of(raw)
        return "" if error is None else self._quoted(json.dumps({"error": error}))

    def close(self) -> None:
        """Close the connections. The next call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _disconnect(self) -> None:
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
                    # The library requires one.
                    api_key=self._api_key or "none",
                    timeout=timeout,
                    max_retries=0,
                    # The key is for this server, not for one that it may redirect to.
                    http_client=DefaultHttpxClient(timeout=timeout, limits=limits, follow_redirects=False),
                )
            return self._client

    def _post(self, model: str, prompt: Prompt[Answer], form: RequestForm, most_tokens: int) -> RawAnswer:
        import httpx2  # noqa: PLC0415
        from openai import APIConnectionError, APIStatusError, omit  # noqa: PLC0415

        completions = self._connected().chat.completions
        started = time.monotonic()
        try:
            with completions.with_streaming_response.create(
                model=model,
                messages=form.messages(prompt),
                response_format=form.response_format(prompt) or omit,
                temperature=prompt.temperature if form.has_temperature else omit,
                max_tokens=omit if form.has_completion_tokens else most_tokens,
                max_completion_tokens=most_tokens if form.has_completion_tokens else omit,
                extra_body={"usage": {"include": True}} if self._host == _OPENROUTER_HOST else None,
            ) as response:
                body = _decoded(_within(response.iter_bytes(), started + self._timeout_seconds))
                raw = RawAnswer(
                    body=body,
                    status=response.status_code,
                    seconds=time.monotonic() - started,
                    response_id=_response_id(body),
                )
        except APIStatusError as error:
            raise self._status_failure(model, prompt, error) from None
        except APIConnectionError as error:
            raise self._connection_failure(error) from None
        except (httpx2.TimeoutException, _TimeLimitError):
            raise self._timeout() from None
        except (httpx2.HTTPError, OSError, _SizeLimitError) as error:
            raise CallFailedError(
                f"the answer of {self._host} broke off ({type(error).__name__})", may_have_been_billed=True
            ) from None
        if (failure := self._failure_of(model, prompt, raw)) is not None:
            raise failure
        return raw

    def _failure_of(self, model: str, prompt: Prompt[Answer], raw: RawAnswer) -> Exception | None:
        """Return what a response with a good status and without an answer means; None where it holds an answer.

        OpenRouter sends errors like this once it has begun to respond; other servers send web pages, event streams
        or nothing. A response that reports tokens or a cost counts as an answer, if an empty one: its cost must not
        be lost.
        """
        if holds_answer(raw) or was_paid_for(raw):
            return None
        error = error_of(raw)
        if error is None:
            quoted = f": {said}" if (said := self._quoted(raw.body)) else ""
            what = f"{kind_of_body(raw.body)} instead of an answer"
            return no_answer(f"{self._host} sends status {raw.status} with {what}{quoted}", raw.body)
        body = json.dumps({"error": error})
        said = self._quoted(body)
        if prompt.picture is not None and refuses_pictures(body):
            return self._takes_no_pictures(model, f"{self._host} says {raw.status}: {said}")
        if (status := status_of(error)) is not None:
            return refusal(model, status, body, f"{self._host} says {status}: {said}")
        return no_answer(f"{self._host} says {raw.status}: {said}", body)

    def _connection_failure(self, error: "APIConnectionError") -> CallFailedError:
        cause = type(error.__cause__).__name__
        if cause in _NEVER_SENT:
            return CallFailedError(f"{self._host} cannot be reached ({cause})")
        if cause in _TIMEOUTS:
            return self._timeout()
        return CallFailedError(f"{self._host} gave no answer ({cause})", may_have_been_billed=True)

    def _timeout(self) -> CallFailedError:
        return CallFailedError(
            f"{self._host} gave no answer within {self._timeout_seconds:g} s (LEAFMARK_LLM_SECONDS)",
            may_have_been_billed=True,
            is_timeout=True,
        )

    def _takes_no_pictures(self, model: str, said: str) -> ProviderRefusesError:
        hint = f"{model} does not take pictures: set the stage's model to one that does"
        return ProviderRefusesError(said, hint=hint)

    def _status_failure(self, model: str, prompt: Prompt[Answer], error: "APIStatusError") -> Exception:
        status, body = error.status_code, _decoded([error.response.content])
        said = f"{self._host} says {status}: {self._quoted(body)}"
        if prompt.picture is not None and refuses_pictures(body):
            return self._takes_no_pictures(model, said)
        return refusal(model, status, body, said, retry_after_seconds(error.response.headers.get("retry-after")))

    def _quoted(self, body: str) -> str:
        """Return the message of an error, on one line and without the key."""
        message = message_of(body)
        return in_one_line(message.replace(self._api_key, "***") if self._api_key else message, 300)


def _host_of(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        # Read it: an invalid port is noticed only then.
        _ = parts.port
    except ValueError:
        raise SettingsError("LEAFMARK_LLM_BASE_URL is not the address of a server") from None
    if not parts.hostname:
        raise SettingsError("LEAFMARK_LLM_BASE_URL names no server")
    return parts.hostname


def _within(chunks: Iterable[bytes], deadline: float) -> Iterator[bytes]:
    """Yield the chunks of a response, within the limits of time and size."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if time.monotonic() > deadline:
            raise _TimeLimitError
        if size > _MAX_BYTES:
            raise _SizeLimitError
        yield chunk


def _decoded(chunks: Iterable[bytes]) -> str:
    # JSON is UTF-8, whatever the content type says. Other bytes become escapes that JSON does not have, so that a
    # text with such bytes is refused rather than changed.
    return b"".join(chunks).decode("utf-8-sig", errors="backslashreplace")


def _response_id(body: str) -> str:
    name = parsed_object(body).get("id")
    return in_one_line(name, 200) if isinstance(name, str) else ""

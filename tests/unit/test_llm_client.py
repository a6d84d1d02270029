"""The client against a real server, through the real library: what it asks, and what it makes of the answers."""

import base64
import contextlib
import json
import logging
import os
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from checkpointing.errors import SettingsError
from tests.support.waiting import HANG_SECONDS, wait_until
from worker.llm.client import ModelClient
from worker.llm.errors import AnswerRefusedError, CallFailedError, ProviderRefusesError, RequestRefusedError
from worker.llm.prompt import Picture, Prompt
from worker.llm.raw_answer import RawAnswer, answer_of, reported_cost, usage_of
from worker.llm.reply import Usage

KEY = "sk-the-secret-key-0123456789"
PATH = "/v1/chat/completions"


class Edit(BaseModel):
    model_config = ConfigDict(extra="forbid")

    original: str
    confidence: float = Field(ge=0, le=1)


class Correction(BaseModel):
    model_config = ConfigDict(extra="forbid", title="Correction")

    text: str
    edits: list[Edit]
    first: Edit | None = Field(description="The one that matters most.")


ANSWER = '{"text": "Alice", "edits": [], "first": null}'
PROMPT = Prompt(system="Correct it.", user='{"page": 7}', answer=Correction, most_tokens=500)


def completion(content: object = ANSWER, reason: str = "stop", **more: Any) -> dict[str, Any]:
    """A response as OpenAI's server sends it."""
    return {
        "id": "chatcmpl-7",
        "choices": [{"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    } | more


@contextlib.contextmanager
def client_of(server: HTTPServer, key: str = KEY, seconds: float = 20.0) -> Iterator[ModelClient]:
    client = ModelClient(server.url_for("/v1"), key, seconds)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def client(httpserver: HTTPServer) -> Iterator[ModelClient]:
    with client_of(httpserver) as made:
        yield made


def asked(server: HTTPServer) -> list[dict[str, Any]]:
    """The bodies of the requests so far."""
    return [json.loads(request.data) for request, _ in server.log]


def answers(server: HTTPServer, answer: Callable[[dict[str, Any]], tuple[int, object]]) -> None:
    """Let the server decide by what it is asked."""

    def handle(request: Request) -> Response:
        status, body = answer(json.loads(request.data))
        return Response(json.dumps(body), status, content_type="application/json")

    server.expect_request(PATH, method="POST").respond_with_handler(handle)


def fails_with(server: HTTPServer, status: int, body: object, headers: dict[str, str] | None = None) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    server.expect_request(PATH).respond_with_data(text, status, headers, content_type="application/json")


def error(message: str, **more: object) -> dict[str, object]:
    return {"error": {"message": message, **more}}


# What is asked


def test_one_call_asks_for_the_schema_and_gives_back_the_answer_as_it_came(
    httpserver: HTTPServer, client: ModelClient
) -> None:
    httpserver.expect_request(PATH, method="POST").respond_with_json(completion())
    raw = client.send("a-model", PROMPT)
    (body,) = asked(httpserver)
    assert body["model"] == "a-model"
    assert body["temperature"] == 0
    assert body["max_tokens"] == 500
    assert "max_completion_tokens" not in body
    assert "usage" not in body
    assert body["messages"] == [
        {"role": "system", "content": "Correct it."},
        {"role": "user", "content": '{"page": 7}'},
    ]
    assert httpserver.log[0][0].headers["Authorization"] == f"Bearer {KEY}"
    assert raw.status == 200
    assert raw.response_id == "chatcmpl-7"
    assert raw.seconds > 0
    assert json.loads(raw.body) == completion()
    assert answer_of(raw, Correction) == Correction(text="Alice", edits=[], first=None)


def test_the_schema_is_as_strict_servers_want_it(httpserver: HTTPServer, client: ModelClient) -> None:
    httpserver.expect_request(PATH).respond_with_json(completion())
    client.send("a-model", PROMPT)
    form = asked(httpserver)[0]["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["name"] == "correction"
    assert form["json_schema"]["strict"] is True
    schema = form["json_schema"]["schema"]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["text", "edits", "first"]
    assert schema["$defs"]["Edit"]["additionalProperties"] is False


def test_a_picture_goes_along_as_a_data_url(httpserver: HTTPServer, client: ModelClient) -> None:
    httpserver.expect_request(PATH).respond_with_json(completion())
    picture = Picture(media_type="image/png", data=b"\x89PNG", width=10, height=20)
    client.send("a-model", Prompt("See.", "What?", Correction, 10, picture=picture))
    words, seen = asked(httpserver)[0]["messages"][1]["content"]
    assert words == {"type": "text", "text": "What?"}
    media, _, data = seen["image_url"]["url"].partition(",")
    assert media == "data:image/png;base64"
    assert base64.b64decode(data) == b"\x89PNG"


@pytest.mark.parametrize(
    ("base_url", "limit", "asks_for_cost"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens", False),
        ("https://openrouter.ai/api/v1", "max_tokens", True),
        ("https://not-openrouter.ai.example/v1", "max_tokens", False),
    ],
)
def test_servers_known_by_name_are_asked_in_their_way(
    httpserver: HTTPServer, base_url: str, limit: str, asks_for_cost: bool
) -> None:
    httpserver.expect_request(PATH).respond_with_json(completion())
    client = ModelClient(base_url, KEY, 20.0)
    client._base_url = httpserver.url_for("/v1")
    try:
        client.send("a-model", PROMPT)
    finally:
        client.close()
    (body,) = asked(httpserver)
    assert body[limit] == 500
    assert len({"max_tokens", "max_completion_tokens"} & body.keys()) == 1
    assert body.get("usage") == ({"include": True} if asks_for_cost else None)


def test_a_server_without_a_key_is_asked_all_the_same(httpserver: HTTPServer) -> None:
    httpserver.expect_request(PATH).respond_with_json(completion())
    with client_of(httpserver, key="") as client:
        assert client.send("a-model", PROMPT).status == 200


# Refused parameters


# What servers have been seen to answer to a `response_format` that they do not know, and what they do know.
COMPLAINTS = [
    # llama-cpp-python 0.3, whose validation ends in an error of the server.
    (
        500,
        error(
            "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg': \"Input should be "
            "'text' or 'json_object'\", 'input': 'json_schema', 'ctx': {'expected': \"'text' or 'json_object'\"}}]",
            type="internal_server_error",
            code=None,
        ),
        "json_object",
    ),
    # llama.cpp before schemas, and ik_llama.cpp.
    (
        500,
        error(
            'response_format type must be one of "text" or "json_object", but got: json_schema',
            code=500,
            type="server_error",
        ),
        "json_object",
    ),
    # DeepSeek.
    (400, error("This response_format type is unavailable now", type="invalid_request_error"), "json_object"),
    # vLLM before schemas; FastAPI's form of an error.
    (422, {"detail": [{"loc": ["body", "response_format", "type"], "msg": "Input should be 'text'"}]}, None),
    # vLLM with a structured output backend that does not take this schema.
    (
        400,
        {
            "object": "error",
            "message": "The provided JSON schema contains features not supported by xgrammar.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        "json_object",
    ),
    # LM Studio, which knows schemas or words, and nothing between.
    (400, {"error": "'response_format.type' must be 'json_schema' or 'text'"}, None),
    # Ollama with a model that takes no grammar.
    (500, error("failed to load model vocabulary required for format", type="api_error"), None),
    # OpenRouter, where no provider of the model takes it.
    (404, error("No endpoints found that can handle the requested parameters.", code=404), None),
    # LiteLLM.
    (500, error("litellm.UnsupportedParamsError: unsupported parameters: {'response_format'}", code="500"), None),
    # With status 200, as OpenRouter sends errors of its providers.
    (200, error("response_format is not supported by this model", code=400), "json_object"),
]


@pytest.mark.parametrize(("status", "complaint", "known"), COMPLAINTS)
def test_a_complaint_about_the_form_whatever_its_status_makes_the_next_form_be_tried_and_remembered(
    httpserver: HTTPServer, client: ModelClient, status: int, complaint: object, known: str | None
) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, object]:
        form = body.get("response_format")
        return (200, completion()) if form is None or form["type"] == known else (status, complaint)

    answers(httpserver, answer)
    client.send("a-model", PROMPT)
    calls = len(httpserver.log)
    assert calls <= (2 if known else 4)
    client.send("a-model", PROMPT)
    assert len(httpserver.log) == calls + 1
    *_, first_good, again = asked(httpserver)
    assert again == first_good
    assert first_good.get("response_format", {}).get("type") == known
    lines = first_good["messages"][0]["content"].splitlines()
    assert lines[0] == "Correct it."
    assert lines[-2] == "Answer schema: correction"
    assert json.loads(lines[-1]) == Correction.model_json_schema()
    client.send("another-model", PROMPT)
    assert asked(httpserver)[calls + 1]["response_format"]["type"] == "json_schema", "another model may know it"


def test_a_schema_goes_along_with_an_object_and_is_left_out_where_that_is_refused(
    httpserver: HTTPServer, client: ModelClient
) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, object]:
        form = body["response_format"]
        if form["type"] == "json_schema":
            return 500, error("Input should be 'text' or 'json_object'")
        if "schema" in form and body["model"] == "strict":
            return 422, {
                "detail": [{"loc": ["response_format", "schema"], "msg": "Extra inputs are not permitted"}]
            }
        return 200, completion()

    answers(httpserver, answer)
    client.send("a-model", PROMPT)
    assert asked(httpserver)[1]["response_format"]["schema"]["required"] == ["text", "edits", "first"]
    client.send("strict", PROMPT)
    assert asked(httpserver)[-1]["response_format"] == {"type": "json_object"}
    assert len(httpserver.log) == 5


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        (500, error("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")),
        (422, {"detail": [{"loc": ["body", "max_tokens"], "msg": "Extra inputs are not permitted"}]}),
    ],
)
def test_a_complaint_about_the_limit_of_tokens_makes_the_other_name_be_tried(
    httpserver: HTTPServer, client: ModelClient, status: int, complaint: object
) -> None:
    answers(httpserver, lambda body: (status, complaint) if "max_tokens" in body else (200, completion()))
    client.send("a-model", PROMPT)
    assert len(httpserver.log) == 2
    assert asked(httpserver)[1]["max_completion_tokens"] == 500


CONTEXT = "This model's maximum context length is 1024 tokens"


@pytest.mark.parametrize(
    ("complaint", "room"),
    [
        # vLLM.
        (
            f"'max_tokens' is too large: 500. {CONTEXT} and your request has 700 input tokens",
            308,
        ),
        # vLLM before, and OpenAI's older models.
        (
            f"{CONTEXT}. However, you requested 1200 tokens (700 in the messages, 500 in the completion).",
            308,
        ),
        # OpenAI.
        ("max_tokens is too large: 500. This model supports at most 400 completion tokens.", 400),
    ],
)
def test_an_answer_that_would_not_fit_into_the_context_is_asked_for_shorter(
    httpserver: HTTPServer, client: ModelClient, complaint: str, room: int
) -> None:
    answers(httpserver, lambda body: (400, error(complaint)) if body["max_tokens"] > room else (200, completion()))
    client.send("a-model", PROMPT)
    assert [body["max_tokens"] for body in asked(httpserver)] == [500, room]
    client.send("a-model", PROMPT)
    assert asked(httpserver)[2]["max_tokens"] == 500, "another page may have more room"


def test_a_page_that_leaves_no_room_for_an_answer_is_refused(httpserver: HTTPServer, client: ModelClient) -> None:
    said = "maximum context length is 1024 tokens and your request has 1000 input tokens"
    fails_with(httpserver, 400, error(said))
    with pytest.raises(RequestRefusedError, match="maximum context length"):
        client.send("a-model", PROMPT)


def test_a_server_that_complains_of_every_form_and_answers_500_fails_for_now(
    httpserver: HTTPServer, client: ModelClient
) -> None:
    fails_with(httpserver, 500, error("invalid response_format, temperature or max_tokens"))
    with pytest.raises(CallFailedError, match="500: invalid response_format"):
        client.send("a-model", PROMPT)
    assert len(httpserver.log) <= 12, "an end to it"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, error("CUDA out of memory")),
        (503, error("Loading model", code=503, type="unavailable_error")),
        (429, error("Rate limit reached: requested max_tokens must be lower", type="tokens")),
        (504, error("upstream error: max_tokens 500 unsupported")),
        (500, "<html><title>max_tokens must be</title></html>"),
    ],
)
def test_an_error_that_is_not_about_the_form_is_not_tried_in_another(
    httpserver: HTTPServer, client: ModelClient, status: int, body: object
) -> None:
    fails_with(httpserver, status, body)
    with pytest.raises(CallFailedError):
        client.send("a-model", PROMPT)
    assert len(httpserver.log) == 1


def test_a_model_that_refuses_one_parameter_after_the_other_is_asked_without_them(
    httpserver: HTTPServer, client: ModelClient
) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, object]:
        if "max_tokens" in body:
            return 400, error("'max_tokens' is not supported, use 'max_completion_tokens'", param="max_tokens")
        if "temperature" in body:
            return 400, error("Unsupported value: 'temperature'", param="temperature")
        if "response_format" in body:
            return 422, {"detail": [{"loc": ["body", "response_format"], "msg": "Input should be 'text'"}]}
        return 200, completion()

    answers(httpserver, answer)
    assert client.send("a-model", PROMPT).status == 200
    calls = len(httpserver.log)
    assert calls <= 6
    client.send("a-model", PROMPT)
    assert len(httpserver.log) == calls + 1
    assert asked(httpserver)[calls]["max_completion_tokens"] == 500


def test_what_a_refused_page_made_us_try_is_not_remembered(httpserver: HTTPServer, client: ModelClient) -> None:
    """A page that is too long is refused in any wording; the next one is asked with the strict schema again."""
    said = "max_tokens is too large, lower the temperature: the context length is 10"
    long = Prompt("Correct it.", "long", Correction, 500)

    def answer(body: dict[str, Any]) -> tuple[int, object]:
        return (400, error(said)) if body["messages"][1]["content"] == "long" else (200, completion())

    answers(httpserver, answer)
    with pytest.raises(RequestRefusedError, match="context length") as refused:
        client.send("a-model", long)
    assert refused.value.kind == "request_refused"
    assert len(httpserver.log) <= 8, "an end to it"
    client.send("a-model", PROMPT)
    last = asked(httpserver)[-1]
    assert {"response_format", "temperature", "max_tokens"} <= last.keys()


# Failures


@pytest.mark.parametrize("status", [409, 429, 500, 529])
def test_an_error_that_the_api_gives_before_it_works_can_be_tried_again_and_was_not_billed(
    httpserver: HTTPServer, client: ModelClient, status: int
) -> None:
    fails_with(httpserver, status, error("overloaded"))
    with pytest.raises(CallFailedError, match="overloaded") as failed:
        client.send("a-model", PROMPT)
    assert not failed.value.may_have_been_billed
    assert failed.value.is_rate_limit == (status == 429)
    assert failed.value.retry_after_seconds is None
    assert len(httpserver.log) == 1, "trying again is not the client's business"


@pytest.mark.parametrize("status", [408, 499, 502, 503, 504, 520, 522, 524, 527])
@pytest.mark.parametrize(
    "body", [error("upstream timed out"), "<html><h1>upstream timed out</h1>", "upstream timed out"]
)
def test_a_gateway_that_gave_up_waiting_may_hide_an_answer_that_was_billed(
    httpserver: HTTPServer, client: ModelClient, status: int, body: object
) -> None:
    fails_with(httpserver, status, body)
    with pytest.raises(CallFailedError, match=f"localhost says {status}: upstream timed out") as failed:
        client.send("a-model", PROMPT)
    assert failed.value.may_have_been_billed
    assert failed.value.retry_after_seconds is None
    assert len(httpserver.log) == 1, "trying again is not the client's business"


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "LEAFMARK_LLM_API_KEY"),
        (402, "no credit left"),
        (403, "may not use a-model"),
        (404, "no model a-model"),
    ],
)
def test_a_provider_that_refuses_says_what_to_do(
    httpserver: HTTPServer, client: ModelClient, status: int, says: str
) -> None:
    fails_with(httpserver, status, error("no"))
    with pytest.raises(ProviderRefusesError, match=says):
        client.send("a-model", PROMPT)
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (429, error("You exceeded your quota", code="insufficient_quota"), "no credit left"),
        (400, error("no-such/model is not a valid model ID", code=400), "no model a-model"),
        (400, error("API key not valid. Please pass a valid API key."), "LEAFMARK_LLM_API_KEY"),
    ],
)
def test_a_refusal_of_us_is_known_also_under_another_status(
    httpserver: HTTPServer, client: ModelClient, status: int, body: object, says: str
) -> None:
    fails_with(httpserver, status, body)
    with pytest.raises(ProviderRefusesError, match=says):
        client.send("a-model", PROMPT)


@pytest.mark.parametrize(
    "body",
    [
        error("no"),
        {"error": "no"},
        {"object": "error", "message": "no", "type": "AuthenticationError", "code": 401},
        {"detail": "no"},
        {"code": 1002, "msg": "no"},
        {"type": "about:blank", "title": "no", "status": 401},
    ],
)
def test_a_refusal_in_any_form_that_apis_have_is_the_apis_own(
    httpserver: HTTPServer, client: ModelClient, body: object
) -> None:
    fails_with(httpserver, 401, body)
    with pytest.raises(ProviderRefusesError, match="says 401: no; the key is wrong"):
        client.send("a-model", PROMPT)


@pytest.mark.parametrize("status", [410, 413, 415, 418, 451])
def test_another_refusal_is_the_pages_own_trouble(httpserver: HTTPServer, client: ModelClient, status: int) -> None:
    fails_with(httpserver, status, "no JSON at all")
    with pytest.raises(RequestRefusedError, match="no JSON at all"):
        client.send("a-model", PROMPT)
    assert len(httpserver.log) == 1


def test_a_page_that_moderation_forbids_does_not_stop_the_others(
    httpserver: HTTPServer, client: ModelClient
) -> None:
    fails_with(httpserver, 403, error("flagged", metadata={"reasons": ["violence"], "flagged_input": "Off with"}))
    with pytest.raises(RequestRefusedError, match="flagged"):
        client.send("a-model", PROMPT)


def test_the_key_is_not_taken_where_a_server_sends_us(httpserver: HTTPServer, client: ModelClient) -> None:
    httpserver.expect_request(PATH).respond_with_data("", 307, {"Location": httpserver.url_for("/elsewhere")})
    with pytest.raises(ProviderRefusesError, match="LEAFMARK_LLM_BASE_URL"):
        client.send("a-model", PROMPT)
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), ("nan", None)]
)
def test_a_provider_says_in_seconds_when_to_come_back(
    httpserver: HTTPServer, client: ModelClient, header: str, seconds: float | None
) -> None:
    fails_with(httpserver, 429, error("slow down"), {"Retry-After": header})
    with pytest.raises(CallFailedError) as failed:
        client.send("a-model", PROMPT)
    assert failed.value.retry_after_seconds == seconds


def test_a_provider_says_by_date_when_to_come_back(httpserver: HTTPServer, client: ModelClient) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    fails_with(httpserver, 503, "", {"Retry-After": date})
    with pytest.raises(CallFailedError) as failed:
        client.send("a-model", PROMPT)
    assert failed.value.retry_after_seconds == pytest.approx(95, abs=6)


def test_a_date_that_has_passed_means_now(httpserver: HTTPServer, client: ModelClient) -> None:
    fails_with(httpserver, 429, "", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
    with pytest.raises(CallFailedError) as failed:
        client.send("a-model", PROMPT)
    assert failed.value.retry_after_seconds == 0


def test_an_error_with_status_200_is_an_error(httpserver: HTTPServer, client: ModelClient) -> None:
    fails_with(httpserver, 200, error("the provider is down", code=502))
    with pytest.raises(CallFailedError, match="502: the provider is down"):
        client.send("a-model", PROMPT)


NGINX = "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center></body></html>"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, NGINX.format("401 Authorization Required"), "401: 401 Authorization Required"),
        (403, NGINX.format("403 Forbidden"), "403: 403 Forbidden"),
        (403, "<!DOCTYPE html><html><body>Your request was blocked.</body></html>", "Your request was blocked"),
        (404, NGINX.format("404 Not Found"), "404: 404 Not Found"),
        # Ollama below another path than /v1.
        (404, "404 page not found", "404: 404 page not found"),
        (405, "", "405"),
        (418, NGINX.format("418"), "418"),
    ],
)
def test_a_refusal_by_something_that_is_not_an_api_says_nothing_about_key_or_model(
    httpserver: HTTPServer, client: ModelClient, status: int, body: str, said: str
) -> None:
    fails_with(httpserver, status, body)
    with pytest.raises(CallFailedError, match=said) as failed:
        client.send("a-model", PROMPT)
    assert "LEAFMARK_LLM_BASE_URL" in str(failed.value)
    assert failed.value.is_foreign
    assert "<" not in str(failed.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overload_that_the_api_did_not_write_may_have_been_billed(
    httpserver: HTTPServer, client: ModelClient, status: int
) -> None:
    fails_with(httpserver, status, NGINX.format("Service Temporarily Unavailable"))
    with pytest.raises(CallFailedError, match="Service Temporarily Unavailable") as failed:
        client.send("a-model", PROMPT)
    assert failed.value.may_have_been_billed
    assert not failed.value.is_foreign


@pytest.mark.parametrize(
    ("body", "said", "foreign"),
    [
        # LM Studio below another path than /v1.
        ({"error": "Unexpected endpoint or method. (POST /chat/completions)"}, "Unexpected endpoint", True),
        ({"error": "the model is loading"}, "200: the model is loading", False),
        (error("overloaded"), "200: overloaded", False),
        ("<!DOCTYPE html><html><title>Sign in</title>", "an HTML page instead of an answer: Sign in", True),
        ("<html><body><p>Back soon</p></body></html>", "an HTML page instead of an answer: Back soon", True),
        ("", "an empty body", True),
        ('data: {"choices": [{"delta": {"content": "A"}}]}\n\ndata: [DONE]\n', "an event stream", True),
        ("[]", "not a JSON object", True),
        ('"ok"', "not a JSON object", True),
        ('{"choices": [{"message": {"content": "Al', "not a JSON object", True),
        ({"status": "ok"}, "other JSON", True),
        ({"choices": []}, "other JSON", True),
        ({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}, "other JSON", True),
        ({"id": "x", "choices": [{"error": {"code": 502, "message": "upstream"}}]}, "502: upstream", False),
        (completion("", "error", usage=None), "the provider broke off", False),
        (completion("Al", "error", usage={"prompt_tokens": 9, "completion_tokens": 0}), "broke off", False),
    ],
)
def test_a_good_status_without_an_answer_is_a_failure_that_may_have_been_billed(
    httpserver: HTTPServer, client: ModelClient, body: object, said: str, foreign: bool
) -> None:
    fails_with(httpserver, 200, body)
    with pytest.raises(CallFailedError, match=said) as failed:
        client.send("a-model", PROMPT)
    assert failed.value.may_have_been_billed
    assert failed.value.is_foreign == foreign
    assert ("LEAFMARK_LLM_BASE_URL" in str(failed.value)) == foreign


@pytest.mark.parametrize(
    "body",
    [
        completion(ANSWER[:20], "error"),
        completion("", "error", usage={"cost": 0.25}),
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}},
    ],
)
def test_what_says_that_it_took_tokens_is_an_answer_also_where_it_broke_off(
    httpserver: HTTPServer, client: ModelClient, body: object
) -> None:
    fails_with(httpserver, 200, body)
    assert client.send("a-model", PROMPT).status == 200


def test_an_error_with_status_200_that_was_billed_is_an_answer(httpserver: HTTPServer, client: ModelClient) -> None:
    fails_with(httpserver, 200, error("broke off", code=502) | {"usage": {"cost": 0.25}})
    raw = client.send("a-model", PROMPT)
    assert reported_cost(raw) == Decimal("0.25")


@contextlib.contextmanager
def crooked_server(reply: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does as it likes with a request it has read. Gives its address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                received = b""
                while b'"messages"' not in received:
                    received += connection.recv(65536)
                reply(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def failure_of(base_url: str, seconds: float = 20.0) -> CallFailedError:
    client = ModelClient(base_url, KEY, seconds)
    try:
        with pytest.raises(CallFailedError) as failed:
            client.send("a-model", PROMPT)
    finally:
        client.close()
    return failed.value


def test_a_connection_that_is_dropped_may_have_been_billed() -> None:
    with crooked_server(lambda _: None) as base_url:
        failed = failure_of(base_url)
    assert failed.may_have_been_billed
    assert "gave no answer" in str(failed)


def test_an_answer_that_breaks_off_may_have_been_billed() -> None:
    def half(connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"choices": [')

    with crooked_server(half) as base_url:
        failed = failure_of(base_url)
    assert failed.may_have_been_billed
    assert "broke off" in str(failed)


def test_an_answer_that_does_not_come_in_time_may_have_been_billed() -> None:
    over = threading.Event()

    def silent(_: socket.socket) -> None:
        over.wait(HANG_SECONDS)

    with crooked_server(silent) as base_url:
        failed = failure_of(base_url, seconds=0.3)
        over.set()
    assert failed.may_have_been_billed
    assert failed.is_timeout
    assert str(failed) == "127.0.0.1 gave no answer within 0.3 s (LEAFMARK_LLM_SECONDS)"


def test_a_server_that_keeps_the_line_open_with_blanks_is_given_up_in_time() -> None:
    over = threading.Event()

    def dribble(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            while not over.wait(0.05):
                connection.sendall(b"1\r\n \r\n")

    with crooked_server(dribble) as base_url:
        failed = failure_of(base_url, seconds=0.5)
        over.set()
    assert failed.may_have_been_billed
    assert failed.is_timeout


def test_a_server_that_is_not_there_was_never_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    failed = failure_of(f"http://127.0.0.1:{port}/v1")
    assert not failed.may_have_been_billed
    assert "127.0.0.1 cannot be reached" in str(failed)


# The key


@pytest.mark.parametrize("status", [200, 307, 400, 401, 402, 403, 404, 413, 422, 429, 500])
@pytest.mark.parametrize(
    "body",
    [
        json.dumps(error(f"Incorrect key {KEY} provided")),
        json.dumps({"detail": [f"who is {KEY}"], "error": None}),
        f"<html>{KEY}</html>",
        json.dumps({"errors": [KEY]}).replace("s", "\\u0073"),
        json.dumps({"message": f"{'x' * 280} {KEY}"}),
    ],
)
def test_the_key_is_never_quoted(
    httpserver: HTTPServer, client: ModelClient, status: int, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fails_with(httpserver, status, body)
    try:
        told = repr(client.send("a-model", PROMPT))
    except (AnswerRefusedError, CallFailedError, ProviderRefusesError) as failed:
        told = "".join(traceback.format_exception(failed)) + repr(failed)
    for where in (told, repr(client), str(client), caplog.text):
        assert KEY not in where
        assert KEY[:12] not in where, "cut, it is still most of a key"


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-é", "sk-a\x00b"])
def test_what_cannot_be_a_key_is_refused_without_being_quoted(key: str) -> None:
    with pytest.raises(SettingsError, match="LEAFMARK_LLM_API_KEY") as refused:
        ModelClient("http://127.0.0.1/v1", key, 1.0)
    assert "sk-" not in str(refused.value)


def test_the_line_end_of_a_file_is_no_part_of_the_key(httpserver: HTTPServer) -> None:
    httpserver.expect_request(PATH).respond_with_json(completion())
    with client_of(httpserver, key=f"{KEY}\n") as client:
        client.send("a-model", PROMPT)
    assert httpserver.log[0][0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("base_url", ["http://[::1/v1", "http://host:99999/v1", "http:///v1"])
def test_an_address_that_is_none_is_refused(base_url: str) -> None:
    with pytest.raises(SettingsError, match="LEAFMARK_LLM_BASE_URL"):
        ModelClient(base_url, KEY, 1.0)


# One client, many threads and processes


def test_one_client_has_128_calls_under_way() -> None:
    together = threading.Barrier(128, timeout=HANG_SECONDS)

    def handle(_: Request) -> Response:
        together.wait()
        return Response(json.dumps(completion()), content_type="application/json")

    with (
        HTTPServer("127.0.0.1", threaded=True) as server,
        client_of(server) as client,
        ThreadPoolExecutor(128) as pool,
    ):
        server.expect_request(PATH).respond_with_handler(handle)
        raws = list(pool.map(lambda _: client.send("a-model", PROMPT), range(128)))
    assert {raw.status for raw in raws} == {200}


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_use_its_parents_connections(httpserver: HTTPServer, client: ModelClient) -> None:
    httpserver.expect_request(PATH).respond_with_json(completion())
    client.send("a-model", PROMPT)
    parents = client._client
    reading, writing = os.pipe()
    if not os.fork():
        # Never returns: whatever happens, the child must not run the rest of the tests.
        try:
            os.write(writing, b"own" if client._client is None and parents is not None else b"shared")
        finally:
            os._exit(0)
    os.wait()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "own"
    assert client._client is parents


def test_a_closed_client_opens_anew(httpserver: HTTPServer, client: ModelClient) -> None:
    httpserver.expect_request(PATH).respond_with_json(completion())
    client.send("a-model", PROMPT)
    client.close()
    client.close()
    assert client.send("a-model", PROMPT).status == 200
    wait_until(lambda: len(httpserver.log) == 2, 5, "both calls")


SEEING = Prompt("See.", "What?", Correction, 10, picture=Picture("image/png", b"\x89PNG", width=10, height=20))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        # llama-cpp-python, llama.cpp, Ollama, vLLM, OpenAI, LM Studio, OpenRouter.
        (500, 'can only concatenate str (not "list") to str'),
        (500, "image input is not supported - hint: you may need to provide the mmproj"),
        (500, "this model is missing data required for image input"),
        (400, "smollm2 is not a multimodal model"),
        (400, "Invalid content type. image_url is only supported by certain models."),
        (400, "Model does not support images. Please use a model that does."),
        (404, "No endpoints found that support image input"),
        (200, "This model doesn't support vision"),
    ],
)
def test_a_model_that_takes_no_pictures_pauses_the_stage_and_names_the_remedy(
    httpserver: HTTPServer, client: ModelClient, status: int, message: str
) -> None:
    httpserver.expect_request(PATH).respond_with_json({"error": {"message": message}}, status=status)
    with pytest.raises(ProviderRefusesError, match="a-model does not take pictures: set the stage's model") as told:
        client.send("a-model", SEEING)
    assert message in str(told.value)
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("message", ["the image is too large", "CUDA out of memory", "Could not process image"])
def test_trouble_with_one_picture_is_no_trouble_with_the_model(
    httpserver: HTTPServer, client: ModelClient, message: str
) -> None:
    httpserver.expect_request(PATH).respond_with_json({"error": {"message": message}}, status=500)
    with pytest.raises(CallFailedError):
        client.send("a-model", SEEING)


# What is made of an answer


DRAFT = ANSWER.replace("Alice", "Alicia")


def message_of_model(**message: object) -> RawAnswer:
    return raw_of(choices=[{"finish_reason": "stop", "message": message}])


def raw_of(content: object = ANSWER, reason: str = "stop", **more: Any) -> RawAnswer:
    return RawAnswer(body=json.dumps(completion(content, reason, **more)))


def test_a_right_answer_with_a_wrong_content_type_is_read(httpserver: HTTPServer, client: ModelClient) -> None:
    body = "\ufeff \n" + json.dumps(completion('{"text": "café", "edits": [], "first": null}'), ensure_ascii=False)
    httpserver.expect_request(PATH).respond_with_data(body, content_type="text/html; charset=iso-8859-1")
    raw = client.send("a-model", PROMPT)
    assert answer_of(raw, Correction).text == "café"


def test_bytes_that_are_no_text_are_refused_rather_than_changed(
    httpserver: HTTPServer, client: ModelClient
) -> None:
    body = json.dumps(completion()).encode().replace(b"Alice", b"Al\xffce")
    httpserver.expect_request(PATH).respond_with_data(body, content_type="application/json")
    with pytest.raises(AnswerRefusedError):
        answer_of(client.send("a-model", PROMPT), Correction)


@pytest.mark.parametrize(
    "content",
    [
        f"```json\n{ANSWER}\n```",
        f"Here is the corrected text:\n\n```json\n{ANSWER}\n```\nLet me know.",
        f"\n\n{ANSWER}   ",
        [{"type": "text", "text": ANSWER[:10]}, {"type": "text", "text": ANSWER[10:]}],
        [{"type": "thinking", "thinking": [{"type": "text", "text": ANSWER}]}, {"type": "text", "text": ANSWER}],
        [{"type": "reasoning", "text": DRAFT}, {"type": "output_text", "text": {"value": ANSWER}}],
        [ANSWER],
        json.loads(ANSWER),
        f"<think>Perhaps {DRAFT}? No.</think>\n{ANSWER}",
        f"<thinking>{DRAFT}</thinking>{ANSWER}",
        f'<reasoning effort="high">{DRAFT}</reasoning >\n```json\n{ANSWER}\n```',
        f"The page says ... {DRAFT}\n</think>\n\n{ANSWER}",
        f"<think>one {DRAFT}</think><think>two {DRAFT}</think>{ANSWER}",
        f"[THINK]{DRAFT}[/THINK]{ANSWER}",
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}",
        f"◁think▷{DRAFT}◁/think▷{ANSWER}",
        f"<inner_monologue>{DRAFT}</inner_monologue>\n{ANSWER}",
        f"<think>The text is clear, no need to think long. {ANSWER}",
        f"<answer>{ANSWER}</answer>",
        f"<think>{ANSWER}</think>",
        f"Here, with {{braces}} in the prose: {ANSWER} {{sic}}",
        ANSWER[:-1] + ', "notes": "none", "edits_count": 0}',
        f'{{"correction": {ANSWER}}}',
        f"[{ANSWER}]",
        f"{ANSWER}\n{ANSWER}",
        f"{DRAFT}\n</think>{ANSWER}\n```json\n{ANSWER}\n```",
        json.dumps(ANSWER),
        ANSWER[:-1] + ",\n}",
        f"```json\n{ANSWER[:-1]} , }}\n```",
        json.dumps(f"Here it is: {ANSWER}"),
    ],
)
def test_what_stands_around_one_object_is_harmless(content: object) -> None:
    assert answer_of(raw_of(content), Correction).text == "Alice"


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (raw_of('{"text": "Al', "length"), "truncated"),
        (raw_of("", "length"), "truncated"),
        (raw_of(ANSWER[:20], "error"), "truncated"),
        (raw_of(None, "content_filter"), "refusal"),
        (raw_of(""), "empty"),
        (raw_of(None), "empty"),
        (raw_of(7), "empty"),
        (raw_of(choices=[]), "empty"),
        (raw_of(choices=[None]), "empty"),
        (raw_of(choices=[{"message": {"content": None, "refusal": "I cannot"}}]), "refusal"),
        (RawAnswer(body="<html>"), "empty"),
        (RawAnswer(body=""), "empty"),
        (RawAnswer(body="[" * 100_000), "empty"),
        (raw_of("I'm sorry."), "schema"),
        (raw_of("} {"), "schema"),
        (raw_of('{"text": "Alice"}'), "schema"),
        (raw_of(f"{ANSWER}\n{DRAFT}"), "schema"),
        (raw_of(f"<think>{DRAFT} or rather {ANSWER}"), "schema"),
        (raw_of(f"<think>{ANSWER}</think>" + '{"text": 1}'), "schema"),
        (raw_of(f"<think>{ANSWER}", "length"), "truncated"),
        (raw_of(f"<think>{DRAFT}</think>" + ANSWER[:-5], "length"), "truncated"),
        (raw_of(ANSWER.replace("Alice", "Al\x00ce")), "schema"),
        (raw_of("{" * 100_000), "schema"),
        (message_of_model(content="I'm sorry", reasoning_content=ANSWER), "schema"),
        (raw_of('{"a":' * 10_000 + "1" + "}" * 10_000), "schema"),
    ],
)
def test_an_answer_that_is_none_is_refused_with_its_kind(raw: RawAnswer, kind: str) -> None:
    with pytest.raises(AnswerRefusedError) as refused:
        answer_of(raw, Correction)
    assert refused.value.kind == kind
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "reasoning_content": ANSWER},
        {"content": "", "reasoning": f"So I answer:\n{ANSWER}"},
        {"reasoning_content": ANSWER, "reasoning": ANSWER},
        {"content": None, "tool_calls": [{"type": "function", "function": {"name": "c", "arguments": ANSWER}}]},
        {"content": "", "tool_calls": [{"function": {"name": "c", "arguments": json.loads(ANSWER)}}]},
        {"content": "Calling the tool.", "tool_calls": [{"function": {"arguments": ANSWER}}]},
        {"content": None, "function_call": {"name": "correction", "arguments": ANSWER}},
        {"content": ANSWER, "reasoning_content": DRAFT},
    ],
)
def test_an_answer_that_stands_elsewhere_in_the_message_is_found(message: dict[str, object]) -> None:
    assert answer_of(message_of_model(**message), Correction).text == "Alice"


def test_commas_inside_a_text_stay_where_a_comma_after_the_last_element_is_taken_out() -> None:
    content = r'{"text": "a list [a, b, ] and \"so, }\" on", "edits": [], "first": null,}'
    assert answer_of(raw_of(content), Correction).text == 'a list [a, b, ] and "so, }" on'


def test_line_ends_that_are_not_escaped_stay_line_ends() -> None:
    content = '{\n "text": "Alice was\nbeginning\tto get",\r\n "edits": [], "first": null}'
    assert answer_of(raw_of(content), Correction).text == "Alice was\nbeginning\tto get"


def test_fields_that_were_not_asked_for_are_passed_over_also_further_down() -> None:
    edit = '{"original": "o", "confidence": 1, "why": {"so": 1}}'
    content = f'{{"text": "t", "comment": 1, "edits": [{edit}], "first": null}}'
    answer = answer_of(raw_of(content), Correction)
    assert answer.edits == [Edit(original="o", confidence=1)]


def test_an_object_that_is_complete_is_taken_although_the_model_went_on_with_blanks() -> None:
    assert answer_of(raw_of(ANSWER + "\n " * 500, "length"), Correction).text == "Alice"


def test_the_words_of_a_page_are_not_quoted_when_they_do_not_match() -> None:
    with pytest.raises(AnswerRefusedError, match=r"edits\.0\.confidence") as refused:
        answer_of(
            raw_of('{"text": "t", "edits": [{"original": "secret", "confidence": 7}], "first": null}'), Correction
        )
    assert "secret" not in str(refused.value)


def test_tokens_are_read_as_openai_spells_them() -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 300,
        "total_tokens": 1300,
        "prompt_tokens_details": {"cached_tokens": 800},
        "completion_tokens_details": {"reasoning_tokens": 200},
    }
    assert usage_of(raw_of(usage=usage)) == Usage(
        tokens_in=1000, tokens_out=300, tokens_reasoning=200, tokens_cached=800
    )


@pytest.mark.parametrize(
    "body",
    [
        {"usage": {"prompt_tokens": 1000.0, "completion_tokens": 300.0}},
        {"usage": {"prompt_tokens": "1000", "completion_tokens": "300"}},
        {"usage": {"input_tokens": 1000, "output_tokens": 300}},
        {"usage": {"prompt_tokens": 1000, "total_tokens": 1300}},
        {"usage": {"prompt_eval_count": 1000, "eval_count": 300}},
        # Ollama's own API.
        {"prompt_eval_count": 1000, "eval_count": 300, "done": True},
        {"usage": None, "prompt_eval_count": 1000, "eval_count": 300},
    ],
)
def test_tokens_are_counted_however_a_server_spells_them(body: dict[str, object]) -> None:
    assert usage_of(RawAnswer(body=json.dumps(body))) == Usage(tokens_in=1000, tokens_out=300)


def test_reasoning_that_is_in_the_total_only_is_counted_as_well() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 170,
        "completion_tokens_details": {"reasoning_tokens": 50},
    }
    assert usage_of(raw_of(usage=usage)) == Usage(tokens_in=100, tokens_out=70, tokens_reasoning=50)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        {},
        {"prompt_tokens": 1},
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": True, "completion_tokens": 1},
        {"prompt_tokens": 10**12, "completion_tokens": 1},
        {"prompt_tokens": "1.5", "completion_tokens": 1},
        {"prompt_tokens": 1.5, "completion_tokens": 1},
        {"prompt_tokens": "-1", "completion_tokens": 1},
        {"prompt_tokens": "9" * 5000, "completion_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": float("inf")},
    ],
)
def test_usage_that_is_missing_or_cannot_be_is_none(usage: object) -> None:
    assert usage_of(raw_of(usage=usage)) is None


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.000123}, "0.000123"),
        ({"cost": 0}, "0"),
        ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}, "0.21"),
        ({"cost": 0.01, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.2}}, "0.01"),
        ({"cost": "0.03"}, "0.03"),
        ({"cost": " 3e-7 "}, "3e-7"),
        ({"cost": {"request_cost": 0.005, "total_cost": 0.006}}, "0.006"),
        ({"estimated_cost": 0.0000268}, "0.0000268"),
        ({"cost": 0.01, "estimated_cost": 0.02}, "0.01"),
    ],
)
def test_a_provider_says_what_it_cost(usage: dict[str, object], cost: str) -> None:
    assert reported_cost(raw_of(usage=usage)) == Decimal(cost)


@pytest.mark.parametrize(
    "cost",
    [
        "-1",
        "true",
        "null",
        '"-0.1"',
        '"free"',
        '"1e400"',
        '"inf"',
        '"0,1"',
        "NaN",
        "Infinity",
        "1e400",
        "1e9",
        "9" * 400,
        "{}",
        '{"total_cost": -1}',
    ],
)
def test_a_cost_that_cannot_be_is_none(cost: str) -> None:
    assert reported_cost(RawAnswer(body=f'{{"usage": {{"cost": {cost}}}}}')) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(categories=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
nearly = st.builds(
    lambda content, reason, refusal, usage: {
        "choices": [{"finish_reason": reason, "message": {"content": content, "refusal": refusal}}],
        "usage": {"cost": usage, "prompt_tokens": usage, "completion_tokens": 1, "total_tokens": usage},
    },
    anything | st.just(ANSWER) | st.text().map(ANSWER[:30].__add__) | st.lists(st.just({"text": ANSWER[:20]})),
    anything | st.sampled_from(["stop", "length", "content_filter", "error"]),
    anything,
    anything,
)
bodies = st.text(st.characters(categories=None)) | (anything | nearly).map(json.dumps)


@given(bodies)
def test_whatever_comes_is_an_answer_or_refused(body: str) -> None:
    raw = RawAnswer(body=body)
    usage_of(raw)
    reported_cost(raw)
    with contextlib.suppress(AnswerRefusedError):
        assert isinstance(answer_of(raw, Correction), Correction)

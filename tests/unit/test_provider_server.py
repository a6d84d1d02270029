import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from openai.types.chat import ChatCompletion

from sample.provider import Behaviour, Provider, Trouble, running_provider
from sample.provider.bill import Statement
from tests.support.waiting import HANG_SECONDS, exit_code_of, wait_until

READ = "falling down a very cleep we11."
PRINTED = "falling down a very deep well."
SYSTEM = "Put right what was misread. " * 40


def content(page: int, text: str = READ) -> str:
    return json.dumps({"page": page, "regions": [{"id": "r1", "type": "body", "text": text}]})


def ask(
    base_url: str,
    page: int = 1,
    schema: str | None = "correction",
    timeout: float = 30.0,
    **changes: Any,
) -> ChatCompletion:
    """One call by OpenAI's own client, without retries."""
    request: dict[str, Any] = {
        "model": "sample-model",
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content(page)}],
    }
    if schema is not None:
        json_schema = {"name": schema, "strict": True, "schema": {"type": "object"}}
        request["response_format"] = {"type": "json_schema", "json_schema": json_schema}
    with openai.OpenAI(base_url=base_url, api_key="any", max_retries=0, timeout=timeout) as client:
        answer: ChatCompletion = client.chat.completions.create(**request | changes)
    return answer


def words(answer: ChatCompletion) -> str:
    said = answer.choices[0].message.content
    assert said is not None
    return said


def region_text(answer: ChatCompletion) -> str:
    text: str = json.loads(words(answer))["regions"][0]["text"]
    return text


@contextmanager
def misbehaving(kind: Trouble, **changes: Any) -> Iterator[Provider]:
    with running_provider(Behaviour(trouble=1, kinds=(kind,), **changes)) as provider:
        yield provider


def get(base_url: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=10)) as connection:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def test_a_right_answer_corrects_the_text_and_tells_its_tokens(provider: Provider) -> None:
    answer = ask(provider.base_url)
    assert region_text(answer) == PRINTED
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.prompt_tokens == -(-len(SYSTEM) // 4) + -(-len(content(1)) // 4)
    assert answer.usage.prompt_tokens_details
    assert answer.usage.prompt_tokens_details.cached_tokens == 256
    assert answer.usage.completion_tokens_details
    assert answer.usage.completion_tokens_details.reasoning_tokens
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_each_schema_has_its_answer(provider: Provider) -> None:
    assert set(json.loads(words(ask(provider.base_url, schema="fix")))) == {"regions", "needs_review", "reasons"}
    assert "blocks" in json.loads(words(ask(provider.base_url, schema="structure")))


def test_without_response_format_the_instructions_name_the_schema(provider: Provider) -> None:
    messages = [
        {"role": "system", "content": "Outline the page.\nAnswer schema: structure\nAnswer in JSON."},
        {"role": "user", "content": content(1)},
    ]
    assert "blocks" in json.loads(words(ask(provider.base_url, schema=None, messages=messages)))


def test_a_picture_may_go_along_with_the_words(provider: Provider) -> None:
    parts = [
        {"type": "text", "text": content(1)},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}},
    ]
    answer = ask(provider.base_url, messages=[{"role": "user", "content": parts}])
    assert region_text(answer) == PRINTED
    assert answer.usage
    assert answer.usage.prompt_tokens > 765


def test_an_answer_longer_than_it_may_be_is_cut_and_says_so(provider: Provider) -> None:
    answer = ask(provider.base_url, max_completion_tokens=20)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage
    assert answer.usage.completion_tokens <= 20


def test_rate_limited_is_429_with_a_wait_and_costs_nothing() -> None:
    with misbehaving(Trouble.RATE_LIMITED) as provider:
        with pytest.raises(openai.RateLimitError) as caught:
            ask(provider.base_url)
        assert caught.value.response.headers["Retry-After"] in {"0", "1"}
        assert caught.value.code == "rate_limit_exceeded"
        assert (provider.calls, provider.bill().total_usd) == (1, Decimal(0))


def test_a_server_error_is_500_and_costs_nothing() -> None:
    with misbehaving(Trouble.SERVER_ERROR) as provider:
        with pytest.raises(openai.InternalServerError):
            ask(provider.base_url)
        assert (provider.calls, provider.bill().billed_calls) == (1, 0)


def test_a_gateway_that_times_out_bills_and_answers_504_with_a_page() -> None:
    with misbehaving(Trouble.GATEWAY_TIMEOUT) as provider:
        with pytest.raises(openai.InternalServerError) as caught:
            ask(provider.base_url)
        assert caught.value.status_code == 504
        (row,) = provider.bill().rows
    assert row.billed_usd > 0
    assert not row.usage_reported


def test_a_web_page_has_a_good_status_and_costs_nothing() -> None:
    with misbehaving(Trouble.WEB_PAGE) as provider:
        answer: object = ask(provider.base_url)
        assert isinstance(answer, str)
        assert "Sign in" in answer
        assert provider.bill().billed_calls == 0


def test_an_empty_error_is_billed_and_says_what_it_took() -> None:
    with misbehaving(Trouble.EMPTY_ERROR) as provider:
        answer = ask(provider.base_url)
        assert not answer.choices
        assert answer.usage
        (row,) = provider.bill().rows
    assert row.billed_usd > 0


def test_a_slow_answer_is_right_and_late() -> None:
    with misbehaving(Trouble.SLOW, slow_seconds=0.2) as provider:
        started = time.monotonic()
        assert region_text(ask(provider.base_url)) == PRINTED
        assert time.monotonic() - started >= 0.2


def test_a_client_that_does_not_wait_for_a_slow_answer_is_billed_and_has_none() -> None:
    with misbehaving(Trouble.SLOW, slow_seconds=0.5) as provider:
        with pytest.raises(openai.APITimeoutError):
            ask(provider.base_url, timeout=0.2)
        wait_until(lambda: provider.calls, 5, "the call to be billed")
    (row,) = provider.bill().rows
    assert row.billed_usd > 0
    assert not row.answer_sent


def test_a_dropped_answer_is_billed_and_never_comes() -> None:
    with misbehaving(Trouble.DROPPED) as provider:
        with pytest.raises(openai.APIConnectionError):
            ask(provider.base_url)
        (row,) = provider.bill().rows
        assert row.billed_usd > 0
        assert (row.answer_sent, row.usage_reported) == (False, False)


def test_a_truncated_answer_says_length_and_is_no_json() -> None:
    with misbehaving(Trouble.TRUNCATED) as provider:
        answer = ask(provider.base_url)
    assert answer.choices[0].finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(words(answer))


def test_a_wrong_schema_is_json_of_another_shape() -> None:
    with misbehaving(Trouble.WRONG_SCHEMA) as provider:
        assert "regions" not in json.loads(words(ask(provider.base_url)))


def test_a_refusal_has_no_content() -> None:
    with misbehaving(Trouble.REFUSAL) as provider:
        message = ask(provider.base_url).choices[0].message
    assert message.content is None
    assert message.refusal


@pytest.mark.parametrize("schema", ["correction", "structure"])
def test_a_loop_is_valid_json_that_goes_round_for_hundreds_of_times(schema: str) -> None:
    with misbehaving(Trouble.LOOP) as provider:
        said = words(ask(provider.base_url, schema=schema))
    assert json.loads(said)
    assert max(said.count(phrase) for phrase in ("down a very deep well.", "and so on")) > 300


def test_a_loop_keeps_within_the_longest_answer() -> None:
    with misbehaving(Trouble.LOOP) as provider:
        answer = ask(provider.base_url, max_tokens=1500)
    assert answer.choices[0].finish_reason == "stop"
    assert region_text(answer).count(PRINTED) < 200


def test_prose_stands_around_fenced_json() -> None:
    with misbehaving(Trouble.PROSE) as provider:
        said = words(ask(provider.base_url))
    before, fenced, after = said.split("```")
    assert before.strip()
    assert after.strip()
    assert json.loads(fenced.removeprefix("json"))["regions"]


def test_without_usage_a_call_is_billed_all_the_same() -> None:
    with misbehaving(Trouble.NO_USAGE, report_cost=True) as provider:
        answer = ask(provider.base_url)
        (row,) = provider.bill().rows
    assert answer.usage is None
    assert region_text(answer) == PRINTED
    assert row.billed_usd > 0
    assert (row.answer_sent, row.usage_reported) == (True, False)


def test_a_wrong_type_is_said_to_be_html() -> None:
    with (
        misbehaving(Trouble.WRONG_TYPE) as provider,
        openai.OpenAI(base_url=provider.base_url, api_key="k") as client,
    ):
        raw = client.chat.completions.with_raw_response.create(
            model="sample-model",
            messages=[{"role": "system", "content": "Answer schema: fix"}, {"role": "user", "content": content(1)}],
        )
        assert raw.headers["Content-Type"] == "text/html"
        assert json.loads(json.loads(raw.content)["choices"][0]["message"]["content"])["regions"]


def test_the_cost_that_is_reported_is_the_one_on_the_bill() -> None:
    prices = {"price_in": Decimal("2.5"), "price_out": Decimal(10)}
    with running_provider(Behaviour(report_cost=True, **prices)) as provider:
        answers = [ask(provider.base_url, page) for page in (1, 2, 3)]
        statement = provider.bill()
    for answer, row in zip(answers, statement.rows, strict=True):
        usage = answer.usage
        assert usage
        exact = (usage.prompt_tokens * Decimal("2.5") + usage.completion_tokens * Decimal(10)) / 1_000_000
        assert row.billed_usd == exact
        assert usage.model_extra == {"cost": float(row.billed_usd)}
        assert row.id == answer.id
    assert [row.page for row in statement.rows] == [1, 2, 3]
    assert statement.total_usd == sum(row.billed_usd for row in statement.rows)


def test_the_bill_is_served_without_a_key(provider: Provider) -> None:
    ask(provider.base_url, page=9, schema="fix")
    status, bill = get(provider.base_url, "/bill")
    assert status == 200
    assert Statement.model_validate(bill) == provider.bill()
    assert bill["total_usd"] == bill["rows"][0]["billed_usd"]
    assert (bill["rows"][0]["page"], bill["rows"][0]["stage"], bill["rows"][0]["answer_sent"]) == (9, "fix", True)


def test_the_models_are_listed_for_those_who_have_a_key(provider: Provider) -> None:
    assert get(provider.base_url, "/v1/models")[0] == 401
    with openai.OpenAI(base_url=provider.base_url, api_key="any") as client:
        assert [model.id for model in client.models.list()] == ["sample-model"]


def test_an_unknown_path_is_404_in_the_shape_of_openai(provider: Provider) -> None:
    status, answer = get(provider.base_url, "/v1/nothing")
    assert status == 404
    assert answer["error"]["code"] == "unknown_url"
    with openai.OpenAI(base_url=provider.base_url, api_key="any") as client, pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="sample-model", input="words")


def test_a_server_that_does_not_know_schemas_says_so_and_bills_nothing() -> None:
    with running_provider(Behaviour(refuse_schema=True)) as provider:
        with pytest.raises(openai.BadRequestError, match="json_schema"):
            ask(provider.base_url)
        assert provider.calls == 0
        named = [{"role": "system", "content": "Answer schema: fix"}, {"role": "user", "content": content(1)}]
        answer = ask(provider.base_url, schema=None, messages=named, response_format={"type": "json_object"})
        assert region_text(answer) == PRINTED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": "poem"}, "no schema 'poem'"),
        ({"schema": None}, "names a schema"),
        ({"messages": [{"role": "user", "content": "hello"}]}, "the user message makes no sense"),
        ({"messages": [{"role": "system", "content": "hello"}]}, "no user message"),
        ({"messages": []}, "no user message"),
        ({"max_tokens": -1}, "max_tokens"),
    ],
)
def test_a_request_that_makes_no_sense_is_400_with_the_reason(
    provider: Provider, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=reason):
        ask(provider.base_url, **changes)
    assert provider.calls == 0


def test_sixty_four_calls_are_in_flight_at_once() -> None:
    with running_provider(Behaviour(latency_seconds=60)) as provider, ThreadPoolExecutor(64) as pool:
        calls = [pool.submit(raw_call, provider.base_url, page) for page in range(1, 65)]
        wait_until(lambda: provider.calls == 64, 20, "all calls to arrive before any is answered")
        provider.stop()
        assert all(isinstance(call.exception(), http.client.RemoteDisconnected) for call in calls)


def test_sixty_four_calls_at_once_are_all_answered_and_billed() -> None:
    with running_provider(Behaviour(latency_seconds=0.05)) as provider, ThreadPoolExecutor(64) as pool:
        assert list(pool.map(lambda page: raw_call(provider.base_url, page), range(1, 65))) == [200] * 64
        statement = provider.bill()
    assert sorted(row.page for row in statement.rows) == list(range(1, 65))
    assert len({row.id for row in statement.rows}) == statement.billed_calls == 64
    assert all(row.answer_sent for row in statement.rows)


def raw_call(base_url: str, page: int) -> int:
    """The status of a call without OpenAI's client, which takes more of the processor than the provider does."""
    body = json.dumps(
        {
            "model": "sample-model",
            "messages": [
                {"role": "system", "content": "Answer schema: fix"},
                {"role": "user", "content": content(page)},
            ],
        }
    )
    with closing(http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=HANG_SECONDS)) as connection:
        connection.request("POST", "/v1/chat/completions", body, {"Authorization": "Bearer any"})
        response = connection.getresponse()
        response.read()
        return response.status


def test_a_connection_serves_one_call_after_another(provider: Provider) -> None:
    with closing(http.client.HTTPConnection(urlsplit(provider.base_url).netloc, timeout=10)) as connection:
        local_ports = set()
        for _ in range(3):
            connection.request("GET", "/bill")
            assert isinstance(connection.sock, socket.socket)
            local_ports.add(connection.sock.getsockname()[1])
            connection.getresponse().read()
    assert len(local_ports) == 1


def troubles(workers: int) -> dict[int, list[Trouble | None]]:
    """What goes wrong with each page, asked about three times, by so many threads."""
    kinds = (Trouble.SERVER_ERROR, Trouble.PROSE, Trouble.REFUSAL)
    with running_provider(Behaviour(trouble=0.5, seed=4, kinds=kinds)) as provider:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda page: [raw_call(provider.base_url, page) for _ in range(3)], range(1, 13)))
        rows = provider.bill().rows
    return {page: [row.trouble for row in rows if row.page == page] for page in range(1, 13)}


def test_the_same_calls_misbehave_whatever_the_order_of_threads() -> None:
    alone = troubles(1)
    assert troubles(8) == alone
    assert len({trouble for each in alone.values() for trouble in each}) == 4


def test_stopping_cuts_what_is_under_way_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with running_provider(Behaviour(latency_seconds=60)) as provider, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(raw_call, provider.base_url, 1)
        wait_until(lambda: provider.calls == 1, 5, "the call to arrive")
        provider.stop()
        with pytest.raises(http.client.RemoteDisconnected):
            waiting.result()
        assert not any(row.answer_sent for row in provider.bill().rows)
    assert set(threading.enumerate()) <= before


@contextmanager
def process(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`python -m sample.provider`, and the address that it prints."""
    command = [sys.executable, "-m", "sample.provider", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout is not None
            yield started, started.stdout.readline().strip()
        finally:
            started.kill()


def test_the_process_says_where_it_is_and_stops_when_told(tmp_path: Path) -> None:
    arguments = ("--trouble", 1, "--kind", "no-usage", "--price-in", 100, "--bill", tmp_path / "bill.jsonl")
    with process(*arguments) as (started, base_url):
        assert ask(base_url).usage is None
        started.send_signal(signal.SIGTERM)
        assert exit_code_of(started) == 0


def test_the_bill_of_a_process_survives_its_kill(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    with process("--bill", path) as (started, base_url):
        ask(base_url, page=1)
        ask(base_url, page=2)
        before = get(base_url, "/bill")[1]
        started.kill()
    with process("--bill", path) as (_, base_url):
        assert get(base_url, "/bill")[1] == before
        ask(base_url, page=3)
        assert [row["page"] for row in get(base_url, "/bill")[1]["rows"]] == [1, 2, 3]


def test_a_wrong_option_is_refused_in_words() -> None:
    command = [sys.executable, "-m", "sample.provider", "--trouble", "2"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANG_SECONDS)
    assert ended.returncode == 2
    assert "share of calls that misbehave is from 0 to 1" in ended.stderr

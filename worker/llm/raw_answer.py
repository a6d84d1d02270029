"""A response of a server: whether it is an answer, and what it cost. Nothing that a server sends is trusted.

`answer_text.py` finds the answer in its text.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from checkpointing.errors import in_one_line
from worker.llm.answer_text import as_dict, complete_answer, texts_of, validated
from worker.llm.errors import AnswerRefusedError
from worker.llm.prompt import Answer
from worker.llm.reply import Usage

# More than any call takes or costs: a server that reports more is wrong.
_MAX_TOKENS = 1_000_000_000
_MAX_USD = 1_000_000.0
# No number within these limits has more digits.
_MAX_DIGITS = 20
_AMOUNT = re.compile(r"\d{1,20}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_MIN_ERROR_STATUS, _MAX_ERROR_STATUS = 400, 599
# How servers spell the tokens of a question and of an answer: OpenAI's chat completions and most others; OpenAI's
# responses and Anthropic; Ollama's own API; Gemini.
_TOKENS_IN = ("prompt_tokens", "input_tokens", "prompt_eval_count", "promptTokenCount")
_TOKENS_OUT = ("completion_tokens", "output_tokens", "eval_count", "candidatesTokenCount")
_TOKENS_TOTAL = ("total_tokens", "totalTokenCount")
_DETAILS_IN = ("prompt_tokens_details", "input_tokens_details")
_DETAILS_OUT = ("completion_tokens_details", "output_tokens_details")


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """The response to one call.

    Attributes:
        status: HTTP status.
        seconds: time from the question to the last byte of the answer.
        response_id: the provider's id of the call; empty where there is none.
    """

    body: str = field(repr=False)
    status: int = 200
    seconds: float = 0.0
    response_id: str = ""


def usage_of(raw: RawAnswer) -> Usage | None:
    """Return the tokens of a call; None where the server reports none, or impossible ones."""
    parsed = parsed_object(raw.body)
    # Ollama's own API has them beside the answer.
    usage = as_dict(parsed.get("usage")) or parsed
    tokens_in, answered = _first_count(usage, _TOKENS_IN), _first_count(usage, _TOKENS_OUT)
    total = _first_count(usage, _TOKENS_TOTAL)
    if tokens_in is None or (answered is None and total is None):
        return None
    # Some servers count reasoning in the total only.
    tokens_out = max(answered or 0, (total or 0) - tokens_in)
    reasoning = _first_count(_first_dict(usage, _DETAILS_OUT), ("reasoning_tokens",)) or 0
    cached = _first_count(_first_dict(usage, _DETAILS_IN), ("cached_tokens",)) or 0
    return Usage(
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        tokens_reasoning=min(reasoning, tokens_out),
        tokens_cached=min(cached, tokens_in),
    )


def reported_cost(raw: RawAnswer) -> Decimal | None:
    """Return the cost that the provider reports, in USD; None where it reports none, or an impossible one."""
    usage = as_dict(parsed_object(raw.body).get("usage"))
    # OpenRouter and LiteLLM have a number; Perplexity a sum and its parts; DeepInfra another name.
    found = usage.get("cost", usage.get("estimated_cost"))
    cost = _usd(found.get("total_cost") if isinstance(found, dict) else found)
    if cost is None or usage.get("is_byok") is not True:
        return cost
    # With the user's own key for the provider behind OpenRouter, `cost` is only OpenRouter's fee.
    return cost + (_usd(as_dict(usage.get("cost_details")).get("upstream_inference_cost")) or Decimal(0))


def answer_of(raw: RawAnswer, schema: type[Answer]) -> Answer:
    """Return the answer of the model.

    Raises:
        AnswerRefusedError: there is no valid answer; its kind is `schema`, `truncated`, `refusal` or `empty`.
            Nothing else is ever raised.
    """
    choice = _first_choice(parsed_object(raw.body))
    if choice is None:
        raise AnswerRefusedError("empty", "the response holds no answer")
    message = as_dict(choice.get("message"))
    finished = choice.get("finish_reason")
    reason = in_one_line(finished, 40) if isinstance(finished, str) else "no reason given"
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        raise AnswerRefusedError("refusal", f"the model refuses: {in_one_line(refusal, 200)}")
    if reason == "content_filter":
        raise AnswerRefusedError("refusal", "the provider withholds the answer (content_filter)")
    texts = texts_of(message)
    if reason in {"length", "error"}:
        return complete_answer(texts, schema, reason)
    if not texts:
        raise AnswerRefusedError("empty", f"the model answered nothing ({reason})")
    return validated(texts, schema)


def holds_answer(raw: RawAnswer) -> bool:
    """Return whether a model answered, rightly or wrongly; False where the provider reports a failure instead."""
    parsed = parsed_object(raw.body)
    choice = _first_choice(parsed)
    if choice is None:
        # Damaged JSON with choices was written by a model, which would write it again.
        body = raw.body.strip()
        return not parsed and body.startswith("{") and body.endswith("}") and '"choices"' in body
    failed = choice.get("error") or choice.get("finish_reason") == "error" or parsed.get("error")
    return not failed


def holds_words(raw: RawAnswer) -> bool:
    """Return whether there is text of a model, complete or not."""
    choice = _first_choice(parsed_object(raw.body))
    return bool(texts_of(as_dict((choice or {}).get("message")))) or holds_answer(raw)


def was_paid_for(raw: RawAnswer) -> bool:
    """Return whether the provider reports a cost, or tokens of an answer."""
    usage = usage_of(raw)
    return bool(reported_cost(raw)) or (usage is not None and usage.tokens_out > 0)


def error_of(raw: RawAnswer) -> object:
    """Return the error in a response without an answer; None where it has none."""
    parsed = parsed_object(raw.body)
    choice = _first_choice(parsed) or {}
    # The provider behind a gateway may have failed without an error.
    return parsed.get("error") or choice.get("error") or ("the provider broke off" if choice else None)


def status_of(error: object) -> int | None:
    """Return the HTTP status that an error names as its code; None where it names none."""
    code = _count(as_dict(error).get("code"))
    return code if code is not None and _MIN_ERROR_STATUS <= code <= _MAX_ERROR_STATUS else None


def parsed_object(body: str) -> dict[str, object]:
    """Return the JSON object in a body; an empty one where there is none."""
    try:
        return as_dict(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def _first_choice(parsed: Mapping[str, object]) -> dict[str, object] | None:
    choices = parsed.get("choices")
    return as_dict(choices[0]) if isinstance(choices, list) and choices else None


def _first_dict(found: Mapping[str, object], names: tuple[str, ...]) -> dict[str, object]:
    return next((value for name in names if (value := as_dict(found.get(name)))), {})


def _first_count(found: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    return next((count for name in names if (count := _count(found.get(name))) is not None), None)


def _count(value: object) -> int | None:
    """Return a number of tokens, also from `1000.0` or digits in quotes; None for anything else."""
    # True and False are numbers to Python.
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and 0 <= value <= _MAX_TOKENS else None


def _usd(value: object) -> Decimal | None:
    """Return an amount in USD, also from a number in quotes; None for anything else."""
    if isinstance(value, str) and _AMOUNT.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # The text of a float is the number that was sent.
    return Decimal(str(value)) if 0 <= value <= _MAX_USD else None

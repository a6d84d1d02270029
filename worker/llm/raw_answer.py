"""An answer as it came over the wire: what it cost, and whether it is one. Nothing that a server sends is trusted.

Which words of it are the answer is found in `worker/llm/answer_text.py`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from checkpointing.errors import in_one_line
from worker.llm.answer_text import complete_answer, texts_of, validated
from worker.llm.errors import AnswerRefusedError
from worker.llm.prompt import Answer
from worker.llm.reply import Usage

# More than any call takes or costs: a server that says so is mistaken.
_MOST_TOKENS = 1_000_000_000
_MOST_USD = 1_000_000.0
# Digits of no number that is within these.
_MOST_DIGITS = 20
_AMOUNT = re.compile(r"\d{1,20}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_LEAST_ERROR_STATUS, _MOST_ERROR_STATUS = 400, 599
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
        body: as text.
        status: of HTTP.
        content_type: as the server names it, rightly or wrongly.
        seconds: from the question to the last byte of the answer.
        response_id: the provider's name for the call; empty where it gives none.
    """

    body: str = field(repr=False)
    status: int = 200
    content_type: str = ""
    seconds: float = 0.0
    response_id: str = ""


def usage_of(raw: RawAnswer) -> Usage | None:
    """The tokens that a call took; None where the server does not tell, or tells what cannot be."""
    parsed = parsed_object(raw.body)
    # Ollama's own API has them beside the answer.
    usage = _dict(parsed.get("usage")) or parsed
    tokens_in, answered = _first_count(usage, _TOKENS_IN), _first_count(usage, _TOKENS_OUT)
    total = _first_count(usage, _TOKENS_TOTAL)
    if tokens_in is None or (answered is None and total is None):
        return None
    # Some leave the tokens of reasoning out of those of the answer, and have them in the total only.
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
    """What a call cost as the provider says, in USD; None where it does not say, or says what cannot be."""
    usage = _dict(parsed_object(raw.body).get("usage"))
    # OpenRouter and LiteLLM have a number; Perplexity a sum and its parts; DeepInfra another name.
    found = usage.get("cost", usage.get("estimated_cost"))
    cost = _usd(found.get("total_cost") if isinstance(found, dict) else found)
    if cost is None or usage.get("is_byok") is not True:
        return cost
    # With a key of one's own at the provider behind OpenRouter, `cost` is OpenRouter's fee only.
    return cost + (_usd(_dict(usage.get("cost_details")).get("upstream_inference_cost")) or Decimal(0))


def answer_of(raw: RawAnswer, schema: type[Answer]) -> Answer:
    """What the model answered.

    Raises:
        AnswerRefusedError: it is no such answer, and why: `schema`, `truncated`, `refusal` or `empty`. Nothing else
            is ever raised.
    """
    choice = _first_choice(parsed_object(raw.body))
    if choice is None:
        raise AnswerRefusedError("empty", "the response holds no answer")
    message = _dict(choice.get("message"))
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
    """Whether a model answered at all, rightly or wrongly; not where the provider says that it failed instead."""
    parsed = parsed_object(raw.body)
    choice = _first_choice(parsed)
    if choice is None:
        # Whole and damaged, a model wrote it all the same, and would again.
        body = raw.body.strip()
        return not parsed and body.startswith("{") and body.endswith("}") and '"choices"' in body
    failed = choice.get("error") or choice.get("finish_reason") == "error" or parsed.get("error")
    return not failed


def holds_words(raw: RawAnswer) -> bool:
    """Whether there are words of a model, whole or not."""
    choice = _first_choice(parsed_object(raw.body))
    return bool(texts_of(_dict((choice or {}).get("message")))) or holds_answer(raw)


def was_paid_for(raw: RawAnswer) -> bool:
    """Whether the provider says that a call cost something, or that a model wrote something."""
    usage = usage_of(raw)
    return bool(reported_cost(raw)) or (usage is not None and usage.tokens_out > 0)


def error_of(raw: RawAnswer) -> object:
    """The error that a response has instead of an answer; None where it has none."""
    parsed = parsed_object(raw.body)
    choice = _first_choice(parsed) or {}
    # The provider of a provider may have failed without saying how.
    return parsed.get("error") or choice.get("error") or ("the provider broke off" if choice else None)


def status_of(error: object) -> int | None:
    """The status of HTTP that an error names as its code; None where it names none."""
    code = _count(_dict(error).get("code"))
    return code if code is not None and _LEAST_ERROR_STATUS <= code <= _MOST_ERROR_STATUS else None


def parsed_object(body: str) -> dict[str, object]:
    """The JSON object that a body is; an empty one where it is none."""
    try:
        return _dict(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def _first_choice(parsed: Mapping[str, object]) -> dict[str, object] | None:
    choices = parsed.get("choices")
    return _dict(choices[0]) if isinstance(choices, list) and choices else None


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _first_dict(found: Mapping[str, object], names: tuple[str, ...]) -> dict[str, object]:
    return next((value for name in names if (value := _dict(found.get(name)))), {})


def _first_count(found: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    return next((count for name in names if (count := _count(found.get(name))) is not None), None)


def _count(value: object) -> int | None:
    """A number of tokens, also as `1000.0` or as digits in quotes; None where it is not one, or cannot be."""
    # True and False are numbers to Python.
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _MOST_DIGITS:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and 0 <= value <= _MOST_TOKENS else None


def _usd(value: object) -> Decimal | None:
    """An amount, also as a number in quotes; None where it is not one, or cannot be."""
    if isinstance(value, str) and _AMOUNT.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # The text of a float is the number that was sent.
    return Decimal(str(value)) if 0 <= value <= _MOST_USD else None

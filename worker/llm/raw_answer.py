"""An answer as it came over the wire, and what can be made of it. Nothing that a server sends is trusted.

What is let pass, because no word of the answer is lost by it: a ```json fence or prose around one JSON object,
which models add where a server does not hold them to a schema; and a JSON object that is complete though the model
ran into its limit (some go on with blanks). Two objects, or braces in the prose, are ambiguous and refused.
"""

import json
from dataclasses import dataclass, field
from decimal import Decimal

from pydantic import ValidationError

from checkpointing.errors import in_one_line
from worker.llm.errors import AnswerRefusedError
from worker.llm.prompt import Answer
from worker.llm.reply import Usage

# More than any call takes or costs: a server that says so is mistaken.
_MOST_TOKENS = 1_000_000_000
_MOST_USD = 1_000_000.0
_ERRORS_TOLD = 3


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
    usage = _dict(parsed_object(raw.body).get("usage"))
    tokens_in, answered = _tokens(usage.get("prompt_tokens")), _tokens(usage.get("completion_tokens"))
    if tokens_in is None or answered is None:
        return None
    # Some leave the tokens of reasoning out of those of the answer, and have them in the total only.
    tokens_out = max(answered, (_tokens(usage.get("total_tokens")) or 0) - tokens_in)
    reasoning = _tokens(_dict(usage.get("completion_tokens_details")).get("reasoning_tokens")) or 0
    cached = _tokens(_dict(usage.get("prompt_tokens_details")).get("cached_tokens")) or 0
    return Usage(
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        tokens_reasoning=min(reasoning, tokens_out),
        tokens_cached=min(cached, tokens_in),
    )


def reported_cost(raw: RawAnswer) -> Decimal | None:
    """What a call cost as the provider says, in USD; None where it does not say, or says what cannot be."""
    usage = _dict(parsed_object(raw.body).get("usage"))
    cost = _usd(usage.get("cost"))
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
    choice = _first_choice(raw)
    message = _dict(choice.get("message"))
    finished = choice.get("finish_reason")
    reason = in_one_line(finished, 40) if isinstance(finished, str) else "no reason given"
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        raise AnswerRefusedError("refusal", f"the model refuses: {in_one_line(refusal, 200)}")
    if reason == "content_filter":
        raise AnswerRefusedError("refusal", "the provider withholds the answer (content_filter)")
    text = _text(message.get("content"))
    if reason in {"length", "error"}:
        return _complete_all_the_same(text, schema, reason)
    if not text.strip():
        raise AnswerRefusedError("empty", f"the model answered nothing ({reason})")
    return _validated(text, schema)


def parsed_object(body: str) -> dict[str, object]:
    """The JSON object that a body is; an empty one where it is none."""
    try:
        return _dict(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def _first_choice(raw: RawAnswer) -> dict[str, object]:
    choices = parsed_object(raw.body).get("choices")
    if not isinstance(choices, list) or not choices:
        raise AnswerRefusedError("empty", "the response holds no answer")
    return _dict(choices[0])


def _text(content: object) -> str:
    """The words of a message, which some servers send in parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(part for part in (_dict(item).get("text") for item in content) if isinstance(part, str))


def _complete_all_the_same(text: str, schema: type[Answer], reason: str) -> Answer:
    try:
        return schema.model_validate_json(text)
    except (ValueError, RecursionError):
        why = "it reached the limit of tokens" if reason == "length" else "the provider broke off"
        raise AnswerRefusedError("truncated", f"the answer is incomplete: {why}") from None


def _validated(text: str, schema: type[Answer]) -> Answer:
    stripped = text[text.find("{") : text.rfind("}") + 1]
    if not stripped:
        raise AnswerRefusedError("schema", "the answer holds no JSON object")
    try:
        return schema.model_validate_json(stripped)
    except ValidationError as error:
        raise AnswerRefusedError("schema", f"the answer does not match the schema: {_in_words(error)}") from None
    except (ValueError, RecursionError) as error:
        message = f"the answer cannot be read: {type(error).__name__}"
        raise AnswerRefusedError("schema", message) from None


def _in_words(error: ValidationError) -> str:
    """The first errors, without what they were found in: that may be a page long."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    told = "; ".join(
        ": ".join(filter(None, (".".join(map(str, problem["loc"])), problem["msg"])))
        for problem in problems[:_ERRORS_TOLD]
    )
    more = len(problems) - _ERRORS_TOLD
    return in_one_line(told if more <= 0 else f"{told}; and {more} more")


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _tokens(value: object) -> int | None:
    # True and False are numbers to Python.
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _MOST_TOKENS else None


def _usd(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # The text of a float is the number that was sent.
    return Decimal(str(value)) if 0 <= value <= _MOST_USD else None

"""What the model says to a request, right or wrong, as the body of a chat completion."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sample.provider.behaviour import Trouble
from sample.provider.corrections import Correction, correct
from sample.provider.request import AskedPage, Question, Schema
from sample.provider.structure import Structure, outline
from sample.provider.tokens import Usage, longest_answer, usage_of

MAX_REPEATS = 300
_ROOM_OF_A_REPEAT = 50
"""Bytes; about what five words take."""
_MIN_REPEATS = 20
_ANSWERS: Mapping[Schema, Callable[[AskedPage], Correction | Structure]] = {
    Schema.CORRECTION: correct,
    Schema.FIX: correct,
    Schema.STRUCTURE: outline,
}
_OTHER_SHAPE = '{"answer": "The page is fine as it is.", "pages": [1, 2, 3]}'
_REFUSAL = "I'm sorry, but I can't help with that."


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model says.

    Attributes:
        words: its answer, or its refusal.
        refused: whether it is a refusal.
        finish_reason: `stop`, or `length` for an answer that was cut.
        usage: the tokens that the call takes.
    """

    words: str
    refused: bool
    finish_reason: str
    usage: Usage

    def body(self, call_id: str, model: str, usage: Mapping[str, object] | None) -> bytes:
        """As OpenAI spells it; without `usage` where that is None."""
        message = {
            "role": "assistant",
            "content": None if self.refused else self.words,
            "refusal": self.words if self.refused else None,
        }
        completion: dict[str, object] = {
            "id": call_id,
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}],
        }
        if usage is not None:
            completion["usage"] = usage
        return json.dumps(completion).encode()


def complete(question: Question, trouble: Trouble | None) -> Completion:
    """Answer a question, wrongly where the trouble is one of the words."""
    request = question.request
    words = _spoilt(_ANSWERS[question.schema](question.page), trouble, request.most_tokens)
    finish_reason = "length" if trouble is Trouble.TRUNCATED else "stop"
    if request.most_tokens and len(words.encode()) > (most_bytes := longest_answer(request.most_tokens)):
        words, finish_reason = words.encode()[:most_bytes].decode(errors="ignore"), "length"
    usage = usage_of(request.instructions, request.rest, request.pictures, words)
    return Completion(words, trouble is Trouble.REFUSAL, finish_reason, usage)


def _spoilt(answer: Correction | Structure, trouble: Trouble | None, most_tokens: int | None) -> str:
    words = answer.model_dump_json()
    match trouble:
        case Trouble.TRUNCATED:
            return words[: len(words) // 2]
        case Trouble.WRONG_SCHEMA:
            return _OTHER_SHAPE
        case Trouble.REFUSAL:
            return _REFUSAL
        case Trouble.LOOP:
            return answer.looping(_repeats(words, most_tokens)).model_dump_json()
        case Trouble.PROSE:
            return f"Here is the page:\n\n```json\n{words}\n```\n\nLet me know if there is more that I can do."
        case _:
            return words


def _repeats(words: str, most_tokens: int | None) -> int:
    """How often a loop goes round; less often where the longest answer would cut it, which is another trouble."""
    if most_tokens is None:
        return MAX_REPEATS
    room = longest_answer(most_tokens) - len(words.encode())
    return min(MAX_REPEATS, max(_MIN_REPEATS, room // _ROOM_OF_A_REPEAT))

"""The question that each answer belonged to, so that a repeated answer is not booked twice.

A gateway with a cache may send an answer again, and, if the cache is misconfigured, for another question. A
repeated answer has the same id and the same text: the id alone is not enough, because some servers (Ollama) draw it
from a thousand numbers. The record is in Redis, for a week after the last answer of a scan. After a flush a
repeated answer is booked as if it had been paid for, which is too much and never too little.
"""

import hashlib
import json
from collections.abc import Iterable

from redis import Redis

from checkpointing.ledger_entry import Call
from checkpointing.lua import Script
from worker.llm.raw_answer import parsed_object

_KEEP_SECONDS = 7 * 86_400
_DIGITS = 20

_RECORD: Script[int] = Script("worker.billing.record_answer")


class SeenAnswers:
    """The recorded answers of all scans, in Redis under `prefix` and the scan's id."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    def is_repeated(self, scan_id: str, question: str, body: str) -> bool:
        """Record the answer in a response to the question with this sha256; return whether it answered another one.

        Raises:
            RedisError: the broker failed.
        """
        name = name_of(body)
        if not name:
            return False
        belongs = _RECORD(
            self._redis,
            answers=f"{self._prefix}{scan_id}",
            answer=name,
            question=question[:_DIGITS],
            keep_seconds=_KEEP_SECONDS,
        )
        return not belongs


def was_paid_before(calls: Iterable[Call], body: str) -> bool:
    """Return whether an answer is among those that were paid for."""
    name = name_of(body)
    return bool(name) and any(name_of(call.answer) == name for call in calls)


def name_of(body: str) -> str:
    """Return a hash that identifies an answer; empty where it has no id or no text."""
    parsed = parsed_object(body)
    answer_id, choices = parsed.get("id"), parsed.get("choices")
    if not isinstance(answer_id, str) or not answer_id or not choices:
        return ""
    words = json.dumps([answer_id, choices], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()[:_DIGITS]

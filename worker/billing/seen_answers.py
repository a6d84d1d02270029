"""Which question each answer belonged to, so that an answer which comes a second time is not booked a second time.

A gateway with a cache may send an answer again, and, where the cache is set up wrongly, to another question. The
same answer has the same id and the same words: the id alone will not do, since some servers (Ollama) draw it from a
thousand numbers. Kept in Redis, for a week after the last answer of a scan. A flush forgets it: then a repeated
answer is booked as if it had been paid for, which is too much and never too little.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from redis import Redis

from checkpointing.ledger import Call
from worker.llm.raw_answer import parsed_object

_KEEP_SECONDS = 7 * 86_400
_DIGITS = 20

# KEYS: answers. ARGV: name of the answer, question, seconds to keep them. Returns 1 unless it was the answer to
# another question. A key of another type was forged, or is another program's.
_IS_NEW = """
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then redis.call('DEL', KEYS[1]) end
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] and 1 or 0
"""


class SeenAnswers:
    """The answers of all scans.

    Args:
        redis: client of the broker.
        prefix: starts the keys; the scan's id follows.
    """

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._prefix = prefix
        self._is_new: Any = redis.register_script(_IS_NEW)

    def is_repeated(self, scan_id: str, question: str, body: str) -> bool:
        """Note an answer, and return whether it was the answer to another question before.

        Args:
            scan_id: the book.
            question: sha256 of the question.
            body: of the response.

        Raises:
            RedisError: the broker failed.
        """
        name = name_of(body)
        arguments = [name, question[:_DIGITS], _KEEP_SECONDS]
        return bool(name) and not self._is_new(keys=[f"{self._prefix}{scan_id}"], args=arguments)


def was_paid_before(calls: Iterable[Call], body: str) -> bool:
    """Return whether an answer is among those that were paid for already."""
    name = name_of(body)
    return bool(name) and any(name_of(call.answer) == name for call in calls)


def name_of(body: str) -> str:
    """Return what tells an answer from all others, as hexadecimal digits; empty where it has no id or no words."""
    parsed = parsed_object(body)
    answer_id, choices = parsed.get("id"), parsed.get("choices")
    if not isinstance(answer_id, str) or not answer_id or not choices:
        return ""
    words = json.dumps([answer_id, choices], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()[:_DIGITS]

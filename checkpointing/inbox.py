"""The inbox of one stage of one scan: a Redis stream of completions and failures that wait to be merged.

Delivery is at least once, and merging is by union, so an entry that stands twice does no harm. An entry that
is lost does none either: the output it speaks of is on storage, and is adopted from there.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from pydantic import ValidationError
from redis import Redis
from redis.client import Pipeline

from checkpointing.keys import Keys, inbox_name
from checkpointing.models import Completion, FailedPage, Pause
from checkpointing.run_ids import run_in

Entry = Completion | FailedPage | Pause
_FIELDS: dict[type[Entry], bytes] = {Completion: b"completion", FailedPage: b"failure", Pause: b"pause"}
# KEYS: stream, attempts. ARGV: how many ids, ids, pages. In slices, because Lua bounds what unpack hands over.
_REMOVE = """
local function in_slices(command, key, first, last)
  for from = first, last, 1000 do
    redis.call(command, key, unpack(ARGV, from, math.min(from + 999, last)))
  end
end
in_slices('XDEL', KEYS[1], 2, 1 + ARGV[1])
in_slices('HDEL', KEYS[2], 2 + ARGV[1], #ARGV)
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[1]) end
"""
# Beside the entry and not in it: an older coordinator overlooks that, and refuses an entry with more than it knows.
_RUN = b"run"
_MOST_RUNS = 32
# KEYS: stream, set of inboxes, claim. ARGV: field, entry, run, name of the inbox, token of the claim.
_HAND_OVER = """
redis.call('XADD', KEYS[1], '*', ARGV[1], ARGV[2], 'run', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[4])
if redis.call('GET', KEYS[3]) == ARGV[5] then redis.call('DEL', KEYS[3]) end
"""


class Batch(NamedTuple):
    """Entries read from an inbox, in the order they came.

    Attributes:
        ids: of all entries read; to be removed once merged.
        entries: those that parse.
        refused: how many did not parse: forged, or of another version.
        runs: ids of the runs that they are of, sorted; no more than a few, however many somebody forged.
    """

    ids: list[bytes]
    entries: list[Entry]
    refused: int
    runs: tuple[str, ...] = ()


class Inbox:
    """Where workers leave what they did, and the coordinator picks it up."""

    def __init__(self, redis: Redis, keys: Keys, scan_id: str, stage: str) -> None:
        self._redis = redis
        self._index = keys.inboxes
        self._stream = keys.inbox(scan_id, stage)
        self._name = inbox_name(scan_id, stage)
        self._attempts = keys.attempts(scan_id, stage)
        self._remove: Any = redis.register_script(_REMOVE)
        self._hand_over: Any = redis.register_script(_HAND_OVER)

    def put(self, entry: Entry, pipeline: Pipeline) -> None:
        """Add an entry as part of a pipeline that the caller executes."""
        pipeline.xadd(self._stream, {_field(entry): entry.model_dump_json()})
        pipeline.sadd(self._index, self._name)

    def hand_over(self, entry: Entry, claim_key: str, token: str, run: str = "") -> None:
        """Add an entry, with the run that it is of, and give back the claim that it ends, in one step.

        Raises:
            RedisError: the broker failed; neither or both were done.
        """
        keys = [self._stream, self._index, claim_key]
        self._hand_over(keys=keys, args=[_field(entry), entry.model_dump_json(), run, self._name, token])

    def read(self, limit: int) -> Batch:
        """The oldest entries, at most `limit` of them; they stay until removed."""
        found = cast("list[tuple[bytes, dict[bytes, bytes]]]", self._redis.xrange(self._stream, count=limit))
        parsed = [_parse(fields) for _, fields in found]
        entries = [entry for entry in parsed if entry is not None]
        runs = sorted({run_in(fields.get(_RUN)) for _, fields in found} - {""})[:_MOST_RUNS]
        return Batch([entry_id for entry_id, _ in found], entries, len(parsed) - len(entries), tuple(runs))

    def remove(self, ids: list[bytes], completed: Iterable[int] = ()) -> None:
        """Delete exactly these entries, and the stream with its last one.

        Args:
            ids: of the entries.
            completed: pages that the checkpoint has as complete by now: their attempts are counted no longer. Those
                of a page in quarantine are, or a second message for it would have it worked on again; and those
                of one whose completion was not borne out.
        """
        self._remove(keys=[self._stream, self._attempts], args=[len(ids), *ids, *completed])

    def pages(self) -> set[int]:
        """The pages that have an entry waiting."""
        return {entry.page for entry in self.read(limit=1_000_000).entries if not isinstance(entry, Pause)}

    def __len__(self) -> int:
        """How many entries wait."""
        return int(self._redis.xlen(self._stream))


def _field(entry: Entry) -> bytes:
    return _FIELDS[type(entry)]


def _parse(fields: dict[bytes, bytes]) -> Entry | None:
    for model, name in _FIELDS.items():
        if name in fields:
            try:
                return model.model_validate_json(fields[name])
            except ValidationError:
                return None
    return None

"""The inbox of one stage of one scan: a Redis stream of completions and failures that wait to be merged.

Delivery is at least once, and merging is by union, so an entry that stands twice does no harm. An entry that
is lost does none either: the output it speaks of is on storage, and is adopted from there.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from pydantic import TypeAdapter, ValidationError
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ResponseError

from checkpointing.key_types import TYPED, drop_wrong_types
from checkpointing.keys import Keys
from checkpointing.messages import Completion, Pause
from checkpointing.page_records import Doubt, Doubts, FailedPage
from checkpointing.refs import StageRef
from checkpointing.run_ids import run_in

Entry = Completion | FailedPage | Pause
_FIELDS: dict[type[Entry], bytes] = {Completion: b"completion", FailedPage: b"failure", Pause: b"pause"}
# KEYS: stream, attempts. ARGV: how many ids, ids, pages. In slices, because Lua bounds what unpack hands over.
_REMOVE = (
    TYPED
    + """
local stream, attempts, ids = KEYS[1], KEYS[2], ARGV[1]
typed(stream, 'stream')
typed(attempts, 'hash')
local function in_slices(command, key, first, last)
  for from = first, last, 1000 do
    redis.call(command, key, unpack(ARGV, from, math.min(from + 999, last)))
  end
end
in_slices('XDEL', stream, 2, 1 + ids)
in_slices('HDEL', attempts, 2 + ids, #ARGV)
if redis.call('XLEN', stream) == 0 then redis.call('DEL', stream) end
"""
)
# Beside the entry and not in it: an older coordinator overlooks that, and refuses an entry with more than it knows.
_RUN = b"run"
_DOUBTFUL = b"doubtful"
_DOUBTS: TypeAdapter[tuple[Doubt, ...]] = TypeAdapter(Doubts)
_MOST_RUNS = 32
# KEYS: stream, set of inboxes. ARGV: name of the inbox, fields and values of the entry.
_PUT = (
    TYPED
    + """
local stream, inboxes, name = KEYS[1], KEYS[2], ARGV[1]
typed(stream, 'stream')
typed(inboxes, 'set')
redis.call('XADD', stream, '*', unpack(ARGV, 2))
redis.call('SADD', inboxes, name)
"""
)
# KEYS: stream, set of inboxes, claim. ARGV: name of the inbox, token of the claim, fields and values of the entry.
_HAND_OVER = (
    TYPED
    + """
local stream, inboxes, claim = unpack(KEYS)
local name, token = ARGV[1], ARGV[2]
typed(stream, 'stream')
typed(inboxes, 'set')
typed(claim, 'string')
redis.call('XADD', stream, '*', unpack(ARGV, 3))
redis.call('SADD', inboxes, name)
if redis.call('GET', claim) == token then redis.call('DEL', claim) end
"""
)
# KEYS: stream, set of inboxes. ARGV: name of the inbox. In one step: a reconciler that died between taking an empty
# inbox off the list and putting it back, because an entry had come in, left that entry to wait for ever.
_UNLIST_IF_EMPTY = (
    TYPED
    + """
local stream, inboxes, name = KEYS[1], KEYS[2], ARGV[1]
typed(stream, 'stream')
typed(inboxes, 'set')
if redis.call('XLEN', stream) == 0 then redis.call('SREM', inboxes, name) end
"""
)
# KEYS: stream, set of inboxes. ARGV: name of the inbox. Returns 1 where it had entries and was not listed.
_LIST_IF_WAITING = (
    TYPED
    + """
local stream, inboxes, name = KEYS[1], KEYS[2], ARGV[1]
typed(stream, 'stream')
typed(inboxes, 'set')
if redis.call('XLEN', stream) == 0 then return 0 end
return redis.call('SADD', inboxes, name)
"""
)


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

    def __init__(self, redis: Redis, keys: Keys, ref: StageRef) -> None:
        self._redis = redis
        self._index = keys.inboxes
        self._stream = keys.inbox(ref)
        self._name = str(ref)
        self._attempts = keys.attempts(ref)
        self._put: Any = redis.register_script(_PUT)
        self._unlist_if_empty: Any = redis.register_script(_UNLIST_IF_EMPTY)
        self._list_if_waiting: Any = redis.register_script(_LIST_IF_WAITING)
        self._remove: Any = redis.register_script(_REMOVE)
        self._hand_over: Any = redis.register_script(_HAND_OVER)

    def put(self, entry: Entry, pipeline: Pipeline) -> None:
        """Add an entry as part of a pipeline that the caller executes."""
        arguments = [self._name, *_flat(_fields(entry))]
        self._put(keys=[self._stream, self._index], args=arguments, client=pipeline)

    def hand_over(self, entry: Entry, claim_key: str, token: str, run: str = "") -> None:
        """Add an entry, with the run that it is of, and give back the claim that it ends, in one step.

        Raises:
            RedisError: the broker failed; neither or both were done.
        """
        keys = [self._stream, self._index, claim_key]
        fields = {**_fields(entry), _RUN: run.encode()}
        self._hand_over(keys=keys, args=[self._name, token, *_flat(fields)])

    def read(self, limit: int) -> Batch:
        """The oldest entries, at most `limit` of them; they stay until removed."""
        found = self._read(limit)
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

    def unlist_if_empty(self) -> None:
        """Take the inbox off the list of inboxes, unless it has entries.

        Raises:
            RedisError: the broker failed.
        """
        self._unlist_if_empty(keys=[self._stream, self._index], args=[self._name])

    def list_if_waiting(self) -> bool:
        """Put the inbox on the list of inboxes if it has entries; whether it had, and was not there.

        Raises:
            RedisError: the broker failed.
        """
        return bool(self._list_if_waiting(keys=[self._stream, self._index], args=[self._name]))

    def oldest_ms(self) -> int | None:
        """When its oldest entry came in, in milliseconds since 1970 by the server's clock; None where it is empty.

        Raises:
            RedisError: the broker failed.
        """
        found = cast("list[tuple[bytes, object]]", self._redis.xrange(self._stream, count=1))
        return int(found[0][0].partition(b"-")[0]) if found else None

    def __len__(self) -> int:
        """How many entries wait."""
        return int(self._redis.xlen(self._stream))

    def _read(self, limit: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        try:
            return cast("list[tuple[bytes, dict[bytes, bytes]]]", self._redis.xrange(self._stream, count=limit))
        except ResponseError:
            if not drop_wrong_types(self._redis, {self._stream: "stream"}):
                raise
            return []


def _flat(fields: dict[Any, Any]) -> list[Any]:
    return [part for pair in fields.items() for part in pair]


def _fields(entry: Entry) -> dict[Any, Any]:
    """Fields and values of the stream's entry; what an older coordinator does not know stands beside the rest."""
    fields: dict[Any, Any] = {_FIELDS[type(entry)]: entry.model_dump_json()}
    if isinstance(entry, Completion) and entry.doubtful:
        fields[_DOUBTFUL] = _DOUBTS.dump_json(entry.doubtful)
    return fields


def _parse(fields: dict[bytes, bytes]) -> Entry | None:
    for model, name in _FIELDS.items():
        if name in fields:
            try:
                entry: Entry = model.model_validate_json(fields[name])
            except ValidationError:
                return None
            return _with_doubts(entry, fields.get(_DOUBTFUL))
    return None


def _with_doubts(entry: Entry, said: bytes | None) -> Entry:
    """The entry with what stands beside it; doubts that do not parse lose no completion."""
    if said is None or not isinstance(entry, Completion):
        return entry
    try:
        return entry.model_copy(update={"doubtful": _DOUBTS.validate_json(said)})
    except ValidationError:
        return entry

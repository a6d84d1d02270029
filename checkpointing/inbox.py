"""The inbox of one stage of one scan: a Redis stream of completions and failures that wait to be merged.

Delivery is at least once and merging is by union, so a duplicate entry does no harm. Nor does an entry that is
lost: the output that it names is on storage, and recovery adopts it from there.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple, cast

from pydantic import TypeAdapter, ValidationError
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ResponseError

from checkpointing.key_types import drop_wrong_types
from checkpointing.keys import CheckpointKeys
from checkpointing.lua import Script
from checkpointing.messages import Completion, Pause
from checkpointing.page_records import Doubts, FailedPage, Seconds
from checkpointing.refs import StageRef
from checkpointing.run_ids import run_in

Entry = Completion | FailedPage | Pause
_FIELDS: dict[type[Entry], bytes] = {Completion: b"completion", FailedPage: b"failure", Pause: b"pause"}
# Fields beside the entry's JSON: a coordinator of an older version ignores them, but refuses JSON with unknown
# fields.
_RUN = b"run"
_OF_A_COMPLETION: dict[str, TypeAdapter[Any]] = {
    "doubtful": TypeAdapter(Doubts),
    "cpu_seconds": TypeAdapter(Seconds),
}
# More runs than this in one batch were forged.
_MAX_RUNS = 32

_PUT: Script[None] = Script("checkpointing.put_entry")
_REMOVE: Script[None] = Script("checkpointing.remove_entries")
_UPDATE_LISTING: Script[int] = Script("checkpointing.update_listing")


class Batch(NamedTuple):
    """Entries read from an inbox, in the order they came.

    Attributes:
        ids: ids of all entries read, to be removed once merged.
        entries: the entries that parse.
        refused: number of entries that do not parse: forged, or of another version.
        runs: ids of the runs that the entries belong to, sorted, 32 at most.
    """

    ids: list[bytes]
    entries: list[Entry]
    refused: int
    runs: tuple[str, ...] = ()


class Inbox:
    """The inbox of one stage of one scan: workers add entries, the coordinator reads and removes them.

    Every method raises RedisError where the broker failed.
    """

    def __init__(self, redis: Redis, keys: CheckpointKeys, ref: StageRef) -> None:
        self._redis = redis
        self._inboxes = keys.inboxes
        self._stream = keys.inbox(ref)
        self._name = str(ref)
        self._attempts = keys.attempts(ref)

    def put(self, entry: Entry, pipeline: Pipeline) -> None:
        """Add an entry as part of a pipeline that the caller executes."""
        _PUT(pipeline, **self._listing(), claims=[], token="", fields=_fields(entry))

    def hand_over(self, entry: Entry, claim_key: str, token: str, run: str = "") -> None:
        """Add an entry with its run, and release the claim on its page, in one step."""
        fields = [*_fields(entry), _RUN, run.encode()]
        _PUT(self._redis, **self._listing(), claims=[claim_key], token=token, fields=fields)

    def read(self, limit: int) -> Batch:
        """Return the oldest entries, `limit` at most; they stay in the inbox until removed."""
        found = self._read(limit)
        parsed = [_parse(fields) for _, fields in found]
        entries = [entry for entry in parsed if entry is not None]
        runs = sorted({run_in(fields.get(_RUN)) for _, fields in found} - {""})[:_MAX_RUNS]
        return Batch([entry_id for entry_id, _ in found], entries, len(parsed) - len(entries), tuple(runs))

    def remove(self, ids: list[bytes], completed: Iterable[int] = ()) -> None:
        """Delete exactly these entries, and the stream with its last one.

        The checkpoint names the `completed` pages by now, so their attempts are forgotten. Attempts at a page in
        quarantine stay, or a second message would have it processed again; so do attempts at a page whose
        completion was rejected.
        """
        _REMOVE(
            self._redis,
            stream=self._stream,
            attempts=self._attempts,
            id_count=len(ids),
            ids_and_pages=[*ids, *completed],
        )

    def pages(self) -> set[int]:
        """Return the pages that have an entry in the inbox."""
        return {entry.page for entry in self.read(limit=1_000_000).entries if not isinstance(entry, Pause)}

    def update_listing(self) -> bool:
        """Put the inbox on the set of inboxes if it has entries, else take it off; return whether it was put on."""
        return bool(_UPDATE_LISTING(self._redis, **self._listing()))

    def oldest_ms(self) -> int | None:
        """Return the time of the oldest entry, in milliseconds since 1970 by the server's clock; None if empty."""
        found = cast("list[tuple[bytes, object]]", self._redis.xrange(self._stream, count=1))
        return int(found[0][0].partition(b"-")[0]) if found else None

    def __len__(self) -> int:
        """Return the number of entries."""
        return int(self._redis.xlen(self._stream))

    def _listing(self) -> dict[str, str]:
        return {"stream": self._stream, "inboxes": self._inboxes, "name": self._name}

    def _read(self, limit: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        try:
            return cast("list[tuple[bytes, dict[bytes, bytes]]]", self._redis.xrange(self._stream, count=limit))
        except ResponseError:
            if not drop_wrong_types(self._redis, {self._stream: "stream"}):
                raise
            return []


def _fields(entry: Entry) -> list[Any]:
    """Return fields and values of the stream entry, in turn."""
    fields: list[Any] = [_FIELDS[type(entry)], entry.model_dump_json()]
    if isinstance(entry, Completion):
        for name, form in _OF_A_COMPLETION.items():
            if (value := getattr(entry, name)) not in {None, ()}:
                fields += [name.encode(), form.dump_json(value)]
    return fields


def _parse(fields: dict[bytes, bytes]) -> Entry | None:
    for model, name in _FIELDS.items():
        if name in fields:
            with suppress(ValidationError):
                return _complemented(model.model_validate_json(fields[name]), fields)
            return None
    return None


def _complemented(entry: Entry, fields: dict[bytes, bytes]) -> Entry:
    """Return the entry with the fields beside it; those that do not parse are left out, and it still counts."""
    if not isinstance(entry, Completion):
        return entry
    found = {}
    for name, form in _OF_A_COMPLETION.items():
        if (said := fields.get(name.encode())) is not None:
            with suppress(ValidationError):
                found[name] = form.validate_json(said)
    return entry.model_copy(update=found)

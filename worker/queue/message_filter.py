"""The gate: what Redis hands over is looked at before Celery sees it.

Whoever can write to Redis can put anything in a queue, and Celery trusts what it finds there: a line that is no
JSON ends the worker, and a time limit that is no number does so again whenever the message comes back. So no
message is passed on as it came. It is read for the page that it names, and a new one is made of that: callbacks,
limits, dates, other tasks and other queues cannot get in, whatever Celery may do with them.
"""

import json
import uuid
from base64 import b64decode
from binascii import Error as NotBase64Error
from collections.abc import Mapping, Sequence
from functools import cached_property
from queue import Empty
from types import MappingProxyType
from typing import Annotated, Any, Literal

import structlog
from kombu.exceptions import ContentDisallowed, DecodeError, SerializerNotInstalled
from kombu.transport import redis
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from checkpointing.errors import in_one_line
from checkpointing.run_ids import Run
from worker.queue.dispatch import PAGE_TASK
from worker.queue.messages import PageMessage, PageName
from worker.stages.registry import STAGES

# Ours have about two hundred; those that Celery puts back a thousand.
MOST_BYTES = 16_384
_QUOTED_BYTES = 80
# What breaks where a message is not what it seems. Failures of the connection are none of these.
_FORGED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    ContentDisallowed,
    DecodeError,
    SerializerNotInstalled,
)
_PRIORITY_SEPARATOR = b"\x06\x16"

log = structlog.get_logger("leafmark.gate")


class _Part(BaseModel):
    """What is not named here is not looked at, and not passed on."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _Headers(_Part):
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
    task: Literal["page.process"]
    # The run that asked for the page.
    traceparent: Run | None = None
    # Ours never set these.
    eta: None = None
    expires: None = None
    group: None = None


class _Properties(_Part):
    # Ours come as plain text; kombu, when somebody sends a task by hand, encodes.
    body_encoding: Literal["base64"] | None = None


class _Envelope(_Part):
    body: str
    content_type: Literal["application/json"] = Field(alias="content-type")
    headers: _Headers
    properties: _Properties


# Positional arguments, named ones, and what Celery embeds: callbacks and the like. Of the first and last, none.
_Body = tuple[Annotated[list[Any], Field(max_length=0)], PageName, dict[str, None]]
_BODY: TypeAdapter[_Body] = TypeAdapter(_Body)


class RefusedError(ValueError):
    """A message that is not one of ours."""


# In seconds: when a page's process is ended, and before that, when the page is told that it takes too long.
Limits = Sequence[int | None]
_NO_LIMITS: Limits = (None, None)


def admit(raw: bytes, stage: str, limits: Limits = _NO_LIMITS) -> bytes:
    """A message made anew of the page that one from a stage's queue names.

    Args:
        raw: as it stood in the queue.
        stage: whose queue that is.
        limits: that this worker sets to pages of the stage; nobody else does.

    Raises:
        RefusedError: it names none, says why.
    """
    if len(raw) > MOST_BYTES:
        raise RefusedError(f"it has {len(raw)} bytes, more than {MOST_BYTES}")
    try:
        envelope = _Envelope.model_validate_json(raw)
        encoded = envelope.properties.body_encoding is not None
        _, page, _ = _BODY.validate_json(b64decode(envelope.body, validate=True) if encoded else envelope.body)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise RefusedError(in_one_line("; ".join(faults))) from None
    except (NotBase64Error, ValueError):
        raise RefusedError("body: it is not base64") from None
    if page.stage != stage:
        raise RefusedError(f"it is for the stage '{page.stage}'")
    run = envelope.headers.traceparent
    return _message(envelope.headers.id, PageMessage(**page.model_dump(), run=run), limits)


def _message(task_id: str, page: PageMessage, limits: Limits) -> bytes:
    """A message as Celery's protocol 2 has it."""
    arguments = page.model_dump(exclude={"run"})
    named = {"traceparent": page.run} if page.run else {}
    message = {
        "body": json.dumps([[], arguments, {}]),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {
            "lang": "py",
            "task": PAGE_TASK,
            "id": task_id,
            "root_id": task_id,
            "parent_id": None,
            "group": None,
            "eta": None,
            "expires": None,
            "retries": 0,
            "timelimit": list(limits),
            "argsrepr": "()",
            # Flower shows this and reads it: `kwargs:scan_id=moby-dick kwargs:page=7` finds that page and no other
            # only where it is a dict. The column is narrow: the page comes first, so that a long id is cut instead.
            "kwargsrepr": repr({name: arguments[name] for name in ("page", "stage", "scan_id")}),
            "ignore_result": True,
            # As OpenTelemetry reads it too.
            **named,
        },
        "properties": {
            "correlation_id": task_id,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": page.stage},
            "delivery_tag": str(uuid.uuid4()),
            "priority": 0,
        },
    }
    return json.dumps(message).encode()


def _refuse(queue: str, raw: object, error: Exception) -> None:
    """Say so in one line, however long or strange the message is."""
    begins = repr(raw[:_QUOTED_BYTES]) if isinstance(raw, bytes) else type(error).__name__
    log.error("message refused", queue=queue, begins=begins, error=in_one_line(str(error)))


class FilteringQoS(redis.QoS):  # type: ignore[misc]  # kombu publishes no types
    """Drops what stands among the messages under way and is none: no worker could start any more."""

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Put a message back whose worker has not said for long that it is done."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except _FORGED as error:
            _refuse("unacked", tag, error)
            with self.channel.conn_or_acquire(client) as connection, connection.pipeline() as pipeline:
                self._remove_from_indices(tag, pipeline).execute()


class FilteringChannel(redis.Channel):  # type: ignore[misc]  # the same
    """Hands on what passes the gate; for Celery the rest was never there."""

    QoS = FilteringQoS
    # Set by kombu from `broker_transport_options`.
    page_limits: Mapping[str, Limits] = MappingProxyType({})
    from_transport_options = (*redis.Channel.from_transport_options, "page_limits")

    def _create_client(self, asynchronous: bool = False) -> Any:
        if not asynchronous:
            return self._client_for_commands
        client = super()._create_client(asynchronous=True)
        # The one that takes messages from the queues. Nothing has parsed them yet.
        client.parse_response = _Reader(client.parse_response, self.page_limits)
        return client

    @cached_property
    def _client_for_commands(self) -> Any:
        """One for all: kombu makes a new one for each message it takes and for each that it acknowledges."""
        return super()._create_client()

    def _receive_one(self, subscription: Any) -> Any:
        """Control commands and events, which reach all workers at once."""
        try:
            return super()._receive_one(subscription)
        except _FORGED as error:
            _refuse("broadcast", None, error)
            raise Empty from None


class FilteringTransport(redis.Transport):  # type: ignore[misc]  # the same
    """kombu's Redis transport, with the gate."""

    Channel = FilteringChannel


class SocketTransport(FilteringTransport):
    """The same over a Unix socket: its address is no URL that kombu can take apart."""

    can_parse_url = True


class _Reader:
    """Reads answers of the server as a client's `parse_response` does; messages of stages go through the gate."""

    def __init__(self, parse_response: Any, page_limits: Mapping[str, Limits]) -> None:
        self._parse_response = parse_response
        self._limits = page_limits

    def __call__(self, connection: Any, command: str, **options: Any) -> Any:
        answer = self._parse_response(connection, command, **options)
        if command != "BRPOP" or not answer:
            return answer
        key, raw = answer
        stage = key.partition(_PRIORITY_SEPARATOR)[0].decode(errors="replace")
        if stage not in STAGES:
            return answer
        try:
            return key, admit(raw, stage, self._limits.get(stage, _NO_LIMITS))
        except RefusedError as error:
            _refuse(stage, raw, error)
            # As when nothing came within the time.
            return None

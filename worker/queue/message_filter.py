"""The message filter: a kombu transport that validates each message from a stage's queue before Celery sees it.

Every client of Redis can put anything into a queue, and Celery trusts it: bytes that are not JSON end the worker,
and so does a time limit that is not a number, each time the message comes back. So no message is passed on. Only
the page, the id and the run are read from it, and a new message is made of them. Callbacks, limits, dates, other
tasks and other queues cannot get in.
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
from pydantic import Field, TypeAdapter, ValidationError

from checkpointing.errors import in_one_line
from checkpointing.fields import OpenModel
from checkpointing.run_ids import Run
from worker.ocr.engines.needs import stage_of
from worker.queue.dispatch import PAGE_TASK
from worker.queue.messages import FORGED, PageMessage, PageName
from worker.stages.registry import STAGES

# A message of Leafmark has about 200 bytes; one that Celery puts back has about 1,000.
MAX_BYTES = 16_384
_QUOTED_BYTES = 80
# Failures of the connection are not among them.
_FORGED = (*FORGED, ContentDisallowed, DecodeError, SerializerNotInstalled)
_PRIORITY_SEPARATOR = b"\x06\x16"

log = structlog.get_logger("leafmark.gate")


class _Part(OpenModel, strict=True):
    """A part of a message; fields without a name here are neither read nor passed on."""


class _Headers(_Part):
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
    task: Literal["page.process"]
    # The run that asked for the page.
    traceparent: Run | None = None
    # Leafmark never sets these.
    eta: None = None
    expires: None = None
    group: None = None


class _Properties(_Part):
    # Leafmark's own messages are plain text. kombu encodes the body of a task that is sent through Celery.
    body_encoding: Literal["base64"] | None = None


class _Envelope(_Part):
    body: str
    content_type: Literal["application/json"] = Field(alias="content-type")
    headers: _Headers
    properties: _Properties


# Positional arguments (none), named arguments, and Celery's embedded callbacks (none).
_Body = tuple[Annotated[list[Any], Field(max_length=0)], PageName, dict[str, None]]
_BODY: TypeAdapter[_Body] = TypeAdapter(_Body)


class RefusedError(ValueError):
    """The message does not name a page of this stage."""


# In seconds: the hard limit, after which the process of a page is killed, and the soft limit, which raises in it.
Limits = Sequence[int | None]
_NO_LIMITS: Limits = (None, None)


def admit(raw: bytes, queue: str, limits: Limits = _NO_LIMITS) -> bytes:
    """Return a new message, with the time limits, for the page that a message from a queue names.

    Raises:
        RefusedError: the message does not name a page of the stage; with the reason.
    """
    if len(raw) > MAX_BYTES:
        raise RefusedError(f"it has {len(raw)} bytes, more than {MAX_BYTES}")
    try:
        envelope = _Envelope.model_validate_json(raw)
        encoded = envelope.properties.body_encoding is not None
        _, page, _ = _BODY.validate_json(b64decode(envelope.body, validate=True) if encoded else envelope.body)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise RefusedError(in_one_line("; ".join(faults))) from None
    except (NotBase64Error, ValueError):
        raise RefusedError("body: it is not base64") from None
    if page.stage != stage_of(queue):
        raise RefusedError(f"it is for the stage '{page.stage}'")
    run = envelope.headers.traceparent
    return _message(envelope.headers.id, PageMessage(**page.model_dump(), run=run), limits, queue)


def _message(task_id: str, page: PageMessage, limits: Limits, queue: str) -> bytes:
    """Return a message of Celery's protocol, version 2."""
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
            # Flower shows and searches it: `kwargs:scan_id=moby-dick kwargs:page=7` finds one page only in a dict.
            # The column is narrow, so the page comes first and a long scan id is cut.
            "kwargsrepr": repr({name: arguments[name] for name in ("page", "stage", "scan_id")}),
            "ignore_result": True,
            # OpenTelemetry reads this header too.
            **named,
        },
        "properties": {
            "correlation_id": task_id,
            "reply_to": "",
            "delivery_mode": 2,
            # Where kombu puts it back if the worker dies.
            "delivery_info": {"exchange": "", "routing_key": queue},
            "delivery_tag": str(uuid.uuid4()),
            "priority": 0,
        },
    }
    return json.dumps(message).encode()


def _refuse(queue: str, raw: object, error: Exception) -> None:
    """Log a refused message in one line, however long or strange it is."""
    begins = repr(raw[:_QUOTED_BYTES]) if isinstance(raw, bytes) else type(error).__name__
    log.error("message refused", queue=queue, begins=begins, error=in_one_line(str(error)))


class FilteringQoS(redis.QoS):  # type: ignore[misc]  # kombu publishes no types
    """Drops forged entries among the unacknowledged messages: with one there, no worker could start."""

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Put a message back whose worker has not acknowledged it in time."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except _FORGED as error:
            _refuse("unacked", tag, error)
            with self.channel.conn_or_acquire(client) as connection, connection.pipeline() as pipeline:
                self._remove_from_indices(tag, pipeline).execute()


class FilteringChannel(redis.Channel):  # type: ignore[misc]  # the same
    """Passes on what the message filter admits; Celery does not see the rest."""

    QoS = FilteringQoS
    # Set by kombu from `broker_transport_options`.
    page_limits: Mapping[str, Limits] = MappingProxyType({})
    from_transport_options = (*redis.Channel.from_transport_options, "page_limits")

    def _create_client(self, asynchronous: bool = False) -> Any:
        if not asynchronous:
            return self._client_for_commands
        client = super()._create_client(asynchronous=True)
        # This client takes messages from the queues. Nothing has parsed them yet.
        client.parse_response = _Reader(client.parse_response, self.page_limits)
        return client

    @cached_property
    def _client_for_commands(self) -> Any:
        """One client for all commands: kombu makes a new one for each message that it takes or acknowledges."""
        return super()._create_client()

    def _receive_one(self, subscription: Any) -> Any:
        """Receive a control command or an event, which reach all workers at once."""
        try:
            return super()._receive_one(subscription)
        except _FORGED as error:
            _refuse("broadcast", None, error)
            raise Empty from None


class FilteringTransport(redis.Transport):  # type: ignore[misc]  # the same
    """kombu's Redis transport with the message filter."""

    Channel = FilteringChannel


class SocketTransport(FilteringTransport):
    """The same over a Unix socket, whose address is not a URL that kombu can parse."""

    can_parse_url = True


class _Reader:
    """Reads answers of the server like a client's `parse_response`, and filters the messages of stages."""

    def __init__(self, parse_response: Any, page_limits: Mapping[str, Limits]) -> None:
        self._parse_response = parse_response
        self._limits = page_limits

    def __call__(self, connection: Any, command: str, **options: Any) -> Any:
        answer = self._parse_response(connection, command, **options)
        if command != "BRPOP" or not answer:
            return answer
        key, raw = answer
        queue = key.partition(_PRIORITY_SEPARATOR)[0].decode(errors="replace")
        stage = stage_of(queue)
        if stage not in STAGES:
            return answer
        try:
            return key, admit(raw, queue, self._limits.get(stage, _NO_LIMITS))
        except RefusedError as error:
            _refuse(queue, raw, error)
            # The same answer as when no message came in time.
            return None

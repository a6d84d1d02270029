"""Messages as Celery writes them, and forgeries of them."""

import json
import uuid
from base64 import b64encode
from typing import Any

from tests.security.conftest import SCAN, STAGE

PICKLE = b"cos\nsystem\n(S'touch owned'\ntR."
RUN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def page(number: int, **changes: Any) -> dict[str, Any]:
    """The arguments of a page task."""
    return {"scan_id": SCAN, "stage": STAGE, "page": number, **changes}


def encoded(body: str | bytes) -> str:
    return b64encode(body.encode() if isinstance(body, str) else body).decode()


def body(arguments: Any, positional: Any = (), embed: Any = None) -> str:
    return encoded(json.dumps([positional, arguments, _EMBED | (embed or {})]))


def message(arguments: Any = None, **changes: Any) -> dict[str, Any]:
    """A message in a stage's queue.

    Args:
        arguments: of the task; default those of a page that exists.
        changes: parts that replace those of a genuine message; `headers` and `properties` are merged.
    """
    task_id = str(uuid.uuid4())
    headers = {
        "lang": "py",
        "task": "page.process",
        "id": task_id,
        "root_id": task_id,
        "parent_id": None,
        "group": None,
        "group_index": None,
        "shadow": None,
        "eta": None,
        "expires": None,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": "()",
        "kwargsrepr": "{}",
        "origin": "gen1@here",
        "ignore_result": True,
    }
    properties = {
        "correlation_id": task_id,
        "reply_to": str(uuid.uuid4()),
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": STAGE},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": str(uuid.uuid4()),
    }
    made = {
        "body": body(page(1) if arguments is None else arguments),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }
    for name, part in changes.items():
        merged = isinstance(part, dict) and isinstance(made.get(name), dict)
        made[name] = made[name] | part if merged else part
    return made


def raw(forged: dict[str, Any]) -> bytes:
    return json.dumps(forged).encode()


def _signature(number: int) -> dict[str, Any]:
    return {"task": "page.process", "args": [], "kwargs": page(number), "options": {"queue": STAGE}}


NO_MESSAGES: dict[str, bytes] = {
    "no text": b"\xff\xfe\x00 garbage",
    "no JSON": b"{not json",
    "nothing": b"",
    "a number": b"7",
    "null": b"null",
    "a list": b"[]",
    "an empty object": b"{}",
    "nested too deep": b"[" * 10_000,
    "nested so deep that it is long": b'{"body":' * 200_000,
    "a huge body": raw(message(page(1, scan_id="x" * 20_000_000))),
    "huge numbers": b'{"body": ' + b"9" * 10_000 + b"}",
    "no properties": b'{"body": "x", "headers": {}}',
    "a UTF-16 file": json.dumps(message()).encode("utf-16"),
}

WRONG_ARGUMENTS: dict[str, Any] = {
    "none": {},
    "a missing one": {"scan_id": SCAN, "stage": STAGE},
    "a surplus one": page(1, surplus=1),
    "one named self": page(1, self=1),
    "a way out": page(1, scan_id="../../elsewhere"),
    "an absolute path": page(1, scan_id="/etc"),
    "a hidden folder": page(1, scan_id=".leafmark"),
    "a zero byte": page(1, scan_id="a\x00b"),
    "a line end": page(1, scan_id=f"{SCAN}\n"),
    "a scan of the wrong type": page(1, scan_id=[SCAN]),
    "another stage's queue": page(1, stage="ocr"),
    "a stage with a path": page(1, stage="../work"),
    "page zero": page(0),
    "a negative page": page(-1),
    "a huge page": page(10**30),
    "a page too large": page(10_000_000),
    "a page that is true": page(1, page=True),
    "a page that is a float": page(1, page=1.0),
    "a page that is no number": page(1, page=float("nan")),
    "a page that is text": page(1, page="1"),
    "no object": [1],
    "a run, which stands among the headers": page(1, run=RUN),
}

# These are well formed, and refused where the scan is looked up.
UNKNOWN: dict[str, Any] = {
    "an unknown scan": page(1, scan_id="nowhere"),
    "dots inside": page(1, scan_id="a..b"),
    "a page that the book has not": page(9_999_999),
}

WRONG_BODIES: dict[str, dict[str, Any]] = {
    "no base64": message(body="***"),
    "no JSON inside": message(body=encoded("no json")),
    "no text inside": message(body=encoded(b"\xff\xfe")),
    "a body that is a number": message(body=7),
    "a body that is an object": message(body=encoded('{"a": 1}')),
    "a body with two parts": message(body=encoded("[[], {}]")),
    "positional arguments": message(body=body({}, [SCAN, STAGE, 1])),
    "more positional arguments": message(body=body(page(1), ["x"])),
    "pickle": message(body=encoded(PICKLE), **{"content-type": "application/x-python-serialize"}),
    "pickle that says it is JSON": message(body=encoded(PICKLE)),
    "yaml": message(body=encoded("!!python/object/apply:os.system [x]"), **{"content-type": "application/x-yaml"}),
    "a content type that is a number": message(**{"content-type": 7}),
    "an unknown encoding of the body": message(properties={"body_encoding": "rot13"}),
    "protocol 1": message(headers=None, body=encoded(json.dumps({"task": "page.process", "kwargs": page(1)}))),
}

WRONG_HEADERS: dict[str, dict[str, Any]] = {
    "an unknown task": message(headers={"task": "os.system"}),
    "a task of Celery's own": message(headers={"task": "celery.backend_cleanup"}),
    "many tasks in one": message([_signature(1), [1]], headers={"task": "celery.map"}),
    "a task that is a list": message(headers={"task": [1]}),
    "no headers": message(headers=None),
    "headers that are text": message(headers="x"),
    "an id that is a number": message(headers={"id": 7}),
    "an id that is an object": message(headers={"id": {"a": 1}}),
    "an id with a path": message(headers={"id": "../../x"}),
    "a date that is none": message(headers={"eta": "soon"}),
    "a date far off": message(headers={"eta": "9999-12-31T23:59:59+00:00"}),
    "an end that is none": message(headers={"expires": "never"}),
    "an end long ago": message(headers={"expires": "1999-12-31T23:59:59"}),
    "a run that is none": message(headers={"traceparent": "x"}),
    "a run that is a list": message(headers={"traceparent": [RUN]}),
    "a run with more behind it": message(headers={"traceparent": f"{RUN}\n"}),
    "a run of another version": message(headers={"traceparent": RUN.replace("00-", "ff-", 1)}),
    "a group": message(headers={"group": "x", "group_index": "y"}),
    "a callback": message(body=body(page(1), embed={"callbacks": [_signature(2)]})),
    "a callback that is none": message(body=body(page(1), embed={"callbacks": [7]})),
    "a callback on errors": message(body=body({}, embed={"errbacks": [_signature(2)]})),
    "a chain": message(body=body(page(1), embed={"chain": [_signature(2)]})),
    "a chord": message(body=body(page(1), embed={"chord": _signature(2)})),
}

# What these add to a genuine message is not passed on; their pages are done as any other.
DISARMED: dict[str, dict[str, Any]] = {
    "callbacks among the headers": {"headers": {"callbacks": [_signature(2)], "errbacks": [_signature(2)]}},
    "arguments among the headers": {"headers": {"args": [7], "kwargs": page(2), "is_eager": True}},
    "an answer asked for": {"headers": {"ignore_result": False}, "properties": {"reply_to": ["x"]}},
    "a limit that is text": {"headers": {"timelimit": "abc"}},
    "limits that are text": {"headers": {"timelimit": ["a", "b"]}},
    "negative limits": {"headers": {"timelimit": [-1, -1]}},
    "limits without end": {"headers": {"timelimit": [1e308, 1e308]}},
    "limits that kill": {"headers": {"timelimit": [0.001, 0.001]}},
    "retries that are none": {"headers": {"retries": "x"}},
    "a tag that is a list": {"properties": {"delivery_tag": [1]}},
    "a tag that is missing": {"properties": {"delivery_tag": None}},
    "a way to another queue": {"properties": {"delivery_info": {"exchange": "x", "routing_key": "../x"}}},
    "delivery that is text": {"properties": {"delivery_info": "x"}},
    "compression": {"headers": {"compression": "zlib"}},
    "what else there is of a trace": {"headers": {"tracestate": ["x"], "baggage": "a=b", "traceparent": RUN}},
    "stamps": {"headers": {"stamped_headers": ["x"], "stamps": 7}},
    "an unknown encoding": {"content-encoding": [1]},
    "reprs that are none": {"headers": {"argsrepr": [1], "kwargsrepr": {"a": 1}, "origin": 7, "lang": 7}},
}

REFUSED: dict[str, bytes] = {
    **NO_MESSAGES,
    **{f"arguments: {name}": raw(message(arguments)) for name, arguments in WRONG_ARGUMENTS.items()},
    **{f"arguments: {name}": raw(message(arguments)) for name, arguments in UNKNOWN.items()},
    **{f"body: {name}": raw(forged) for name, forged in WRONG_BODIES.items()},
    **{f"headers: {name}": raw(forged) for name, forged in WRONG_HEADERS.items()},
}

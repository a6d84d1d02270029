"""The broker's address, in Celery's words.

There is one setting for two clients, and kombu reads a URL in its own way: for it `rediss://` without options is
a server whose certificate nobody need check, options that redis-py knows are an error, and a socket is called
something else. So redis-py takes the address apart, and kombu gets the parts: both do the same.
"""

import os
from typing import Any
from urllib.parse import quote, urlencode

from redis import connection as redis_connection

from checkpointing.errors import SettingsError

_TLS_OPTION = "ssl_"
# Certificates are checked, and that they name this host, unless the address says otherwise. In redis-py's older
# versions not everything of it is the default.
_CHECKED = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}


# Celery goes where these say, past our checks of certificates and messages. `-b` sets the first.
_OTHER_BROKERS = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")


def forget_other_brokers() -> None:
    """Take out of this process's environment where other programs' Celery finds its broker."""
    for name in _OTHER_BROKERS:
        os.environ.pop(name, None)


def refuse_other_broker() -> None:
    """Check that the command line of Celery names no broker of its own.

    Raises:
        SettingsError: it does.
    """
    if any(name in os.environ for name in _OTHER_BROKERS):
        raise SettingsError("`--broker` is not for Leafmark's workers; name the broker in LEAFMARK_REDIS_URL alone")


def tls_options(redis_url: str) -> dict[str, Any]:
    """How connections to a `rediss://` server are secured; nothing for others.

    Raises:
        ValueError: that is no address.
    """
    parts = _take_apart(redis_url)
    if parts.get("connection_class") is not redis_connection.SSLConnection:
        return {}
    given = {name: value for name, value in parts.items() if name.startswith(_TLS_OPTION)}
    options = _CHECKED | given
    if options["ssl_cert_reqs"] == "none":
        # A certificate that nobody checks names no host; Python refuses to check that alone.
        options["ssl_check_hostname"] = False
    return options


def celery_settings(redis_url: str) -> dict[str, Any]:
    """The settings of Celery that say where the broker is.

    An address that is none is passed on: `worker.preflight.check_broker` refuses it before anyone connects.
    """
    try:
        parts = _take_apart(redis_url)
        options = tls_options(redis_url)
    except ValueError:
        return {"broker_url": redis_url}
    db = parts.get("db", 0)
    user = _user(parts)
    if "path" in parts:
        return {
            "broker_url": f"socket://{user}{quote(parts['path'])}?{urlencode({'virtual_host': db})}",
            "broker_transport": "worker.queue.message_filter:SocketTransport",
        }
    host = parts.get("host", "localhost")
    where = f"[{host}]" if ":" in host else host
    return {
        "broker_url": f"{'rediss' if options else 'redis'}://{user}{where}:{parts.get('port', 6379)}/{db}",
        "broker_transport": "worker.queue.message_filter:FilteringTransport",
        "broker_use_ssl": options or None,
    }


def _take_apart(redis_url: str) -> dict[str, Any]:
    parts: dict[str, Any] = redis_connection.parse_url(redis_url)  # type: ignore[no-untyped-call]  # it has no types
    return parts


def _user(parts: dict[str, Any]) -> str:
    if not parts.get("username") and not parts.get("password"):
        return ""
    return f"{quote(parts.get('username', ''), safe='')}:{quote(parts.get('password', ''), safe='')}@"

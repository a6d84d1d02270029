"""Converts the broker's URL to Celery's settings.

Two clients share one setting, and kombu reads a URL in another way than redis-py: it does not check the certificate
of a plain `rediss://`, refuses options that redis-py knows, and has another scheme for sockets. So redis-py parses
the URL and kombu gets the parts.
"""

import os
from typing import Any
from urllib.parse import quote, urlencode

from redis import connection as redis_connection

from checkpointing.errors import SettingsError

_TLS_OPTION = "ssl_"
# Certificates and the host in them are checked unless the URL says otherwise. Older versions of redis-py have other
# defaults.
_CHECKED = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
# Celery would use these brokers, without the checks of certificates and messages. `-b` sets the first.
_OTHER_BROKERS = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")


def forget_other_brokers() -> None:
    """Remove the variables from this process's environment that name a broker for other Celery programs."""
    for name in _OTHER_BROKERS:
        os.environ.pop(name, None)


def refuse_other_broker() -> None:
    """Raise SettingsError if Celery's command line has `--broker`."""
    if any(name in os.environ for name in _OTHER_BROKERS):
        raise SettingsError("Leafmark's workers do not take `--broker`; set LEAFMARK_REDIS_URL instead")


def tls_options(redis_url: str) -> dict[str, Any]:
    """Return the TLS options of a `rediss://` URL; nothing for other URLs.

    Raises:
        ValueError: the URL is not valid.
    """
    parts = _parse(redis_url)
    if parts.get("connection_class") is not redis_connection.SSLConnection:
        return {}
    given = {name: value for name, value in parts.items() if name.startswith(_TLS_OPTION)}
    options = _CHECKED | given
    if options["ssl_cert_reqs"] == "none":
        # Python refuses to check the host alone.
        options["ssl_check_hostname"] = False
    return options


def celery_settings(redis_url: str) -> dict[str, Any]:
    """Return Celery's settings for the broker.

    A URL that is not valid is passed on: `worker.preflight.check_broker` refuses it before any connection is made.
    """
    try:
        parts = _parse(redis_url)
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


def _parse(redis_url: str) -> dict[str, Any]:
    parts: dict[str, Any] = redis_connection.parse_url(redis_url)  # type: ignore[no-untyped-call]  # it has no types
    return parts


def _user(parts: dict[str, Any]) -> str:
    if not parts.get("username") and not parts.get("password"):
        return ""
    return f"{quote(parts.get('username', ''), safe='')}:{quote(parts.get('password', ''), safe='')}@"

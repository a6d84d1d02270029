"""The URL of Redis: its allowed forms and options, checked when the settings are loaded.

redis-py passes unknown options to its connections, where they fail with a TypeError at the first command, and reads
any text as true. Here a wrong name or value is rejected before anything connects.
"""

import difflib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_SECRETS = frozenset({"username", "password", "ssl_password"})
# redis-py reads every other text as true.
_Flag = Annotated[str | None, Field(pattern=r"^(?i:true|false|yes|no|1|0)$", description="true or false")]
_Seconds = Annotated[float | None, Field(gt=0, allow_inf_nan=False, description="a number of seconds above 0")]
_Text = Annotated[str, Field(min_length=1)]
_PERCENT = "special characters in its password must be percent-encoded ('/' is %2F, '#' is %23)"


class _Options(BaseModel):
    """Options of every kind of connection. The descriptions end the sentence "it should be"."""

    model_config = ConfigDict(extra="forbid")

    db: Annotated[int | None, Field(ge=0, description="a number of a database, such as 0")] = None
    username: _Text | None = None
    password: _Text | None = None
    client_name: _Text | None = None
    protocol: Annotated[int | None, Field(ge=2, le=3, description="2 or 3")] = None
    socket_timeout: _Seconds = None
    socket_connect_timeout: _Seconds = None
    socket_read_size: Annotated[int | None, Field(ge=1, description="a number of bytes above 0")] = None
    health_check_interval: Annotated[int | None, Field(ge=0, description="a whole number of seconds")] = None
    max_connections: Annotated[int | None, Field(ge=1, description="a number above 0")] = None
    retry_on_timeout: _Flag = None


class _TcpOptions(_Options):
    socket_keepalive: _Flag = None


class _TlsOptions(_TcpOptions):
    ssl_keyfile: _Text | None = None
    ssl_certfile: _Text | None = None
    ssl_password: _Text | None = None
    ssl_ca_certs: _Text | None = None
    ssl_ca_path: _Text | None = None
    ssl_ca_data: _Text | None = None
    ssl_check_hostname: _Flag = None
    ssl_cert_reqs: Annotated[
        Literal["none", "optional", "required"] | None, Field(description="none, optional or required")
    ] = None
    ssl_min_version: Annotated[int | None, Field(ge=771, le=772, description="771 (TLS 1.2) or 772 (TLS 1.3)")] = (
        None
    )
    ssl_ciphers: _Text | None = None


_BY_SCHEME: dict[str, type[_Options]] = {"redis": _TcpOptions, "rediss": _TlsOptions, "unix": _Options}


def check_redis_url(url: str) -> str:
    """Return a URL of Redis unchanged, if all parts of it are valid.

    Raises:
        ValueError: a part is not valid; names it and what it should be, in one line without passwords.
    """
    parts = _split(url)
    options = _check_options(parts.scheme, parts.query)
    if parts.scheme == "unix":
        _check_socket(parts)
    else:
        _check_database(parts, named="db" in options.model_fields_set)
    if isinstance(options, _TlsOptions):
        _check_tls(options)
    return url


def socket_options_of(url: str) -> dict[str, Any]:
    """Return the socket options of a URL, for clients that do not read them from the URL."""
    given = _check_options(urlsplit(url).scheme, urlsplit(url).query)
    named = {"socket_timeout", "socket_connect_timeout", "health_check_interval"}
    return given.model_dump(include=named & given.model_fields_set)


def _split(url: str) -> SplitResult:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in _BY_SCHEME:
        raise ValueError("it does not begin with redis://, rediss:// or unix://")
    try:
        parts = urlsplit(url)
        # Python checks the port only when it is read.
        _ = parts.port
    except ValueError:
        raise ValueError(f"its host or port is not valid; {_PERCENT}") from None
    if parts.fragment:
        raise ValueError(f"it contains a '#'; {_PERCENT}")
    return parts


def _check_options(scheme: str, query: str) -> _Options:
    pairs = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    for name, value in pairs:
        if not value:
            raise ValueError(f"its option {name!r} has no value")
        if names.count(name) > 1:
            raise ValueError(f"its option {name!r} is given twice")
    try:
        return _BY_SCHEME[scheme].model_validate(dict(pairs))
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        if fault["type"] == "extra_forbidden":
            raise ValueError(_about_unknown(scheme, name)) from None
        what = _BY_SCHEME[scheme].model_fields[name].description or fault["msg"]
        given = "" if name in _SECRETS else f" is {fault['input']!r}, and"
        raise ValueError(f"its option {name!r}{given} should be {what}") from None


def _about_unknown(scheme: str, name: str) -> str:
    if name in _TlsOptions.model_fields:
        others = " and ".join(f"{other}://" for other, kind in _BY_SCHEME.items() if name in kind.model_fields)
        return f"its option {name!r} is for {others} and not for {scheme}://"
    known = list(_BY_SCHEME[scheme].model_fields)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    meant = f"did you mean {close[0]!r}?" if close else f"options: {', '.join(known)}"
    return f"it has an unknown option {name!r}; {meant}"


def _check_socket(parts: SplitResult) -> None:
    if parts.hostname:
        raise ValueError("the path of its socket is not absolute; write it as in unix:///run/redis.sock?db=0")
    if parts.path in {"", "/"}:
        raise ValueError("it has no path of a socket; write it as in unix:///run/redis.sock?db=0")


def _check_database(parts: SplitResult, *, named: bool) -> None:
    database = unquote(parts.path).strip("/")
    # Not quoted in the message: it may be the rest of a password.
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError(
            f"the part after the host is not the number of a database, as in redis://host:6379/0; {_PERCENT}"
        )
    if database and named:
        raise ValueError("the number of its database is given twice: after the host, and as the option 'db'")


def _check_tls(options: _TlsOptions) -> None:
    """Load the files of TLS: a connection would fail only when it is opened."""
    if options.ssl_keyfile and not options.ssl_certfile:
        raise ValueError("its option 'ssl_keyfile' needs the option 'ssl_certfile'")
    for name in ("ssl_keyfile", "ssl_certfile", "ssl_ca_certs"):
        path = getattr(options, name)
        if path is not None and not Path(path).is_file():
            raise ValueError(f"the file of its option {name!r} does not exist: {path}")
    if options.ssl_ca_path is not None and not Path(options.ssl_ca_path).is_dir():
        raise ValueError(f"the folder of its option 'ssl_ca_path' does not exist: {options.ssl_ca_path}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if options.ssl_ca_certs:
        with _using("ssl_ca_certs"):
            context.load_verify_locations(options.ssl_ca_certs)
    if options.ssl_ca_data:
        with _using("ssl_ca_data"):
            context.load_verify_locations(cadata=options.ssl_ca_data)
    if options.ssl_ciphers:
        with _using("ssl_ciphers"):
            context.set_ciphers(options.ssl_ciphers)
    if options.ssl_certfile:
        # Without a password, even an empty one, OpenSSL would ask for it on the terminal.
        password = options.ssl_password or ""
        with _using("ssl_certfile"):
            context.load_cert_chain(options.ssl_certfile, options.ssl_keyfile, password)


@contextmanager
def _using(option: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
        raise ValueError(f"its option {option!r} cannot be used ({reason})") from None

"""Starts metrics if a port is set, before the worker forks any process."""

import atexit
import errno
import os
import socket
import time

from checkpointing.errors import SettingsError, StorageError
from worker.config.settings import Settings
from worker.telemetry.metrics.events import use
from worker.telemetry.metrics.folder import MetricsFolder, remove_left_behind

# After a restart the old worker may still be ending.
_PORT_SECONDS = 10.0
_POLL_SECONDS = 0.2


def start_metrics(settings: Settings) -> None:
    """Count from now on, if a port is set.

    Raises:
        SettingsError: another program keeps the port, or this process cannot listen there.
        StorageError: the folder for the counts cannot be created.
    """
    if settings.metrics_port is None:
        return
    _check_port(settings.metrics_host, settings.metrics_port)
    from worker.telemetry.metrics.recorder import Recorder  # noqa: PLC0415  # a worker that does not count loads no library

    try:
        remove_left_behind()
        folder = MetricsFolder()
        atexit.register(folder.remove)
        use(Recorder(folder.path))
    except OSError as error:
        raise StorageError(
            f"the temporary folder for metrics cannot be created ({error.strerror}); free disk space, set TMPDIR, "
            "or unset LEAFMARK_METRICS_PORT"
        ) from error


def _check_port(host: str, port: int) -> None:
    """Check that the reconciler will be able to listen there.

    Raises:
        SettingsError: it will not, with the reason.
    """
    deadline = time.monotonic() + _PORT_SECONDS
    while (error := _try_to_listen(host, port)) is not None:
        if error.errno != errno.EADDRINUSE:
            # The numbers of a `gaierror` are not those of `errno`.
            why = os.strerror(error.errno or 0) if not isinstance(error, socket.gaierror) else error.strerror
            raise SettingsError(
                f"metrics cannot be served at {host}:{port} ({why}); set LEAFMARK_METRICS_HOST to an address of "
                "this machine and LEAFMARK_METRICS_PORT to a port above 1023, or unset the port"
            )
        if time.monotonic() > deadline:
            raise SettingsError(
                f"the port {port} for metrics is taken on {host}, and was for {_PORT_SECONDS:g} s; each worker on "
                "a machine needs its own: set LEAFMARK_METRICS_PORT to another"
            )
        time.sleep(_POLL_SECONDS)


def _try_to_listen(host: str, port: int) -> OSError | None:
    """Return why no process can listen there; None if it can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # Like the server: closing connections of its predecessor do not block the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return error
    return None

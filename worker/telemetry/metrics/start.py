"""Begins to count, before the worker forks anything, if a port was set."""

import atexit
import errno
import os
import socket
import time

from checkpointing.errors import SettingsError, StorageError
from worker.config.settings import Settings
from worker.telemetry.metrics.events import use
from worker.telemetry.metrics.folder import MetricsFolder, remove_left_behind

# A worker that is started again may meet the one before it, which is just ending.
_PORT_SECONDS = 10.0
_LOOK_SECONDS = 0.2


def start_metrics(settings: Settings) -> None:
    """Count from now on, if there is a port to show it on.

    Raises:
        SettingsError: the port is taken by something that keeps it, or cannot be had.
        StorageError: there is no room for the figures.
    """
    if settings.metrics_port is None:
        return
    _insist_on_port(settings.metrics_host, settings.metrics_port)
    from worker.telemetry.metrics.recorder import Recorder  # noqa: PLC0415  # a worker that does not count loads no library

    try:
        remove_left_behind()
        folder = MetricsFolder()
        atexit.register(folder.remove)
        use(Recorder(folder.path))
    except OSError as error:
        raise StorageError(
            f"there is no place for the metrics' figures ({error.strerror}); make room there, set TMPDIR, or unset "
            "LEAFMARK_METRICS_PORT"
        ) from error


def _insist_on_port(host: str, port: int) -> None:
    """See that the reconciler will be able to listen there.

    Raises:
        SettingsError: it will not; says why.
    """
    deadline = time.monotonic() + _PORT_SECONDS
    while (error := _why_not(host, port)) is not None:
        if error.errno != errno.EADDRINUSE:
            # An error of a look-up numbers its reasons differently.
            why = os.strerror(error.errno or 0) if not isinstance(error, socket.gaierror) else error.strerror
            raise SettingsError(
                f"metrics cannot be shown at {host}:{port} ({why}); set LEAFMARK_METRICS_HOST to an address of "
                "this machine and LEAFMARK_METRICS_PORT to a port above 1023, or unset the port"
            )
        if time.monotonic() > deadline:
            raise SettingsError(
                f"the port {port} for metrics is taken on {host}, and was for {_PORT_SECONDS:g} s; each worker on "
                "a machine needs one of its own: set LEAFMARK_METRICS_PORT to another"
            )
        time.sleep(_LOOK_SECONDS)


def _why_not(host: str, port: int) -> OSError | None:
    """Why nobody can listen there; None when one can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the server does: connections of the one before that are winding down do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return error
    return None

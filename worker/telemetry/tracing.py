"""Traces, where they are wanted: from the enqueue through the pages and paid calls to the commit.

The rest of Leafmark says here what it begins and ends. Off, which is the default, that costs a function call, and
nothing of OpenTelemetry is imported; on (`LEAFMARK_TRACING=true`), `worker.telemetry.opentelemetry_spans` makes
spans of it.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from checkpointing.errors import SettingsError
from worker.config.settings import Settings

_NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http", "opentelemetry.instrumentation.celery")

Value = str | int | float | None
"""Of an attribute; None is left out."""


class Span(Protocol):
    """Something that takes a while.

    Attributes:
        run: its id as a run's id; empty where nothing is traced.
    """

    run: str

    def set(self, **attributes: Value) -> None:
        """Add what is known only now."""
        ...


class Spans(Protocol):
    """Makes spans, and sends them away."""

    def span(self, name: str, identity: str, parent: str, attributes: dict[str, Value]) -> Iterator[Span]:
        """As `tracing.span`, before `contextmanager` makes of it what it does."""
        ...

    def record(
        self,
        name: str,
        seconds: float,
        runs: Sequence[str],
        error: Exception | None,
        attributes: dict[str, Value],
    ) -> None:
        """As `tracing.record`."""
        ...

    def stop(self) -> None:
        """Send what is left."""
        ...


class _Nothing:
    """The span while nothing is traced."""

    run = ""

    def set(self, **attributes: Value) -> None:
        pass


_NOTHING = _Nothing()


class _State:
    """Of this process; a child that was forked starts anew."""

    spans: Spans | None = None
    pid = 0


def check(settings: Settings) -> None:
    """Insist that what traces need is installed, if they are wanted. Imports none of it.

    Raises:
        SettingsError: it is not; says how to install it.
    """
    if settings.tracing and not all(map(_is_installed, _NEEDED)):
        raise SettingsError("LEAFMARK_TRACING is set and OpenTelemetry is missing: pip install 'leafmark[otel]'")


def start(settings: Settings, part: str) -> None:
    """Trace this process from now on, if the settings say so. Once is enough.

    Args:
        settings: of the deployment. Where the spans go is said by the environment variables `OTEL_...`.
        part: which part of Leafmark this is: `producer`, `worker` or `reconciler`.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    if not settings.tracing or (_State.spans is not None and _State.pid == os.getpid()):
        return
    check(settings)
    use(import_module("worker.telemetry.opentelemetry_spans").start(part))


def use(spans: Spans | None) -> None:
    """Have this process make its spans so; None for none."""
    _State.spans, _State.pid = spans, os.getpid()


def stop() -> None:
    """Send what is left, and trace no more. Waits a few seconds at the most."""
    spans, _State.spans = _State.spans, None
    if spans is not None and _State.pid == os.getpid():
        spans.stop()


@contextmanager
def span(name: str, *, identity: str = "", parent: str = "", **attributes: Value) -> Iterator[Span]:
    """Something that takes as long as a `with` block.

    Args:
        name: what it is.
        identity: id of the run that begins with it: the span gets this very id.
        parent: id of the run that it is part of, unless it is part of another span of this process.
        attributes: what is known of it.
    """
    if _State.spans is None:
        yield _NOTHING
    else:
        yield from _State.spans.span(name, identity, parent, attributes)


def record(
    name: str, seconds: float, *, runs: Sequence[str] = (), error: Exception | None = None, **attributes: Value
) -> None:
    """Something that has just ended.

    Args:
        name: what it was.
        seconds: how long it took.
        runs: ids of the runs that it was for.
        error: why it came to nothing; only the name of its kind is kept.
        attributes: what is known of it.
    """
    if _State.spans is not None:
        _State.spans.record(name, seconds, runs, error, attributes)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False

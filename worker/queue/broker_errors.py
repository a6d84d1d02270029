"""The errors by which the broker fails, whichever client was asked: redis-py, or Celery's kombu."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from checkpointing.errors import BrokerError, in_one_line

# kombu raises its own errors, some of amqp's, and lets pass what redis-py raises.
_CLIENTS = {"redis.exceptions": "RedisError", "kombu.exceptions": "KombuError", "amqp.exceptions": "AMQPError"}


def broker_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """Return what the clients of the broker raise, for `except`.

    A client that was not imported has raised nothing, and is not imported for this: kombu takes long.

    Args:
        others: errors to catch besides: `OSError` where no storage is touched, for kombu lets a socket's pass.
    """
    loaded = {module: sys.modules.get(module) for module in _CLIENTS}
    ours = (getattr(module, _CLIENTS[name]) for name, module in loaded.items() if module is not None)
    return (*ours, *others)


@contextmanager
def broker_calls() -> Iterator[None]:
    """Turn whatever a call to the broker fails with into one error, for the length of a `with` block.

    For calls that touch no storage: kombu lets errors of sockets pass as they are.

    Raises:
        BrokerError: the broker failed; one line.
    """
    try:
        yield
    except broker_errors(OSError) as error:
        raise BrokerError(describe_broker_error(error)) from error


def describe_broker_error(error: Exception) -> str:
    """Return one line for a person: what failed, and that the command may be repeated."""
    said = in_one_line(str(error)) or type(error).__name__
    return f"Redis failed ({said}); see that it runs and repeat the command"

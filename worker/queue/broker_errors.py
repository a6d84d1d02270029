"""The errors by which the broker fails, whichever client was asked: redis-py, or Celery's kombu."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from checkpointing.errors import BrokerError, in_one_line

# kombu raises its own errors, some of amqp's, and lets pass what redis-py raises.
_CLIENTS = {"redis.exceptions": "RedisError", "kombu.exceptions": "KombuError", "amqp.exceptions": "AMQPError"}


def broker_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """Return what the clients of the broker raise, and others, for `except`.

    Clients are not imported for this, because a client that was not imported cannot raise, and kombu's import is
    slow. `OSError` is to be caught too if no storage is touched, because kombu passes on errors of sockets.
    """
    # None of a module that is not imported, and of one that another thread is importing right now.
    ours = (getattr(sys.modules.get(module), name, None) for module, name in _CLIENTS.items())
    return (*filter(None, ours), *others)


@contextmanager
def broker_calls() -> Iterator[None]:
    """Raise one error for all errors of the broker's clients, for the length of a `with` block.

    For calls that touch no storage, because an `OSError` counts as an error of the broker.

    Raises:
        BrokerError: the broker failed.
    """
    try:
        yield
    except broker_errors(OSError) as error:
        raise BrokerError(describe_broker_error(error)) from error


def describe_broker_error(error: Exception) -> str:
    """Return one line for a person: what failed, and that the command may be repeated."""
    said = in_one_line(str(error)) or type(error).__name__
    return f"Redis failed ({said}); see that it runs and repeat the command"

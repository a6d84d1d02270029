"""Errors of the broker: of either client, in every command, they are one line and exit code 6, or waited out."""

import sys
from types import ModuleType
from typing import Any

import pytest
import redis.exceptions
from kombu.exceptions import ConnectionLimitExceeded, InconsistencyError, OperationalError

from checkpointing.errors import BrokerError, InputError
from checkpointing.refs import StageRef
from producer import cli
from tests.support.fake_deployment import FakeDeployment
from worker.queue.broker_errors import broker_calls, broker_errors

FAILURES: list[Exception] = [
    redis.exceptions.ConnectionError("Connection closed by server."),
    redis.exceptions.TimeoutError("Timeout reading from socket"),
    redis.exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
    redis.exceptions.ReadOnlyError("You can't write against a read only replica."),
    redis.exceptions.ResponseError("OOM command not allowed when used memory > 'maxmemory'."),
    redis.exceptions.AuthenticationError("WRONGPASS"),
    OperationalError("Error 111 connecting to localhost:6379."),
    ConnectionLimitExceeded("10"),
    InconsistencyError("the queue has gone"),
    ConnectionResetError(104, "Connection reset by peer"),
    TimeoutError("timed out"),
]
failures = pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)


def raising(failure: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise failure

    return fail


@failures
def test_every_failure_of_a_broker_call_is_one_error(failure: Exception) -> None:
    with pytest.raises(BrokerError) as caught, broker_calls():
        raise failure
    assert caught.value.exit_code == 6
    assert "\n" not in str(caught.value)
    assert "repeat the command" in str(caught.value)


def test_what_is_no_failure_of_the_broker_passes_as_it_is() -> None:
    with pytest.raises(InputError), broker_calls():
        raise InputError("no such file")
    with pytest.raises(ValueError, match="our own"), broker_calls():
        raise ValueError("our own")


def test_a_client_that_is_not_loaded_is_not_loaded_for_its_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "kombu.exceptions")
    monkeypatch.delitem(sys.modules, "amqp.exceptions")
    assert broker_errors() == (redis.exceptions.RedisError,)
    assert "kombu.exceptions" not in sys.modules


class FailingControl:
    """Celery's remote control, on a connection that fails."""

    def __init__(self, failure: Exception) -> None:
        self.broadcast = self.revoke = raising(failure)


class FailingApp:
    def __init__(self, failure: Exception) -> None:
        self.control = FailingControl(failure)
        self.connection_for_write = raising(failure)


@failures
def test_asking_the_workers_fails_with_one_error(fake: FakeDeployment, failure: Exception) -> None:
    fake.parts._app = FailingApp(failure)
    for ask in (
        fake.parts.workers.active,
        lambda: fake.parts.workers.stop_running(StageRef("a", "ocr")),
    ):
        with pytest.raises(BrokerError):
            ask()


@pytest.mark.parametrize("failure", [each for each in FAILURES if not isinstance(each, OSError)], ids=repr)
def test_a_command_that_meets_a_failing_broker_anywhere_ends_with_one_line_and_code_6(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failure: Exception
) -> None:
    monkeypatch.setattr(cli, "app", raising(failure))
    monkeypatch.setattr(sys, "argv", ["producer", "status"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 6
    assert capsys.readouterr().err.count("\n") == 1


def test_a_client_that_another_thread_is_importing_has_no_errors_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a command ends while its display still asks the workers for the first time."""
    monkeypatch.setitem(sys.modules, "kombu.exceptions", ModuleType("kombu.exceptions"))

    assert redis.exceptions.RedisError in broker_errors()
    assert OperationalError.__base__ not in broker_errors()

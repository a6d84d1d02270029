"""What more than one tier of tests needs."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from redis import Redis

from producer.run.embedded_broker import EmbeddedBroker, embedded_broker
from tests.support.deployment import Deployment, deployment_in

# The same examples each time. The first draw of a text makes the tables of Unicode, which takes seconds on two busy
# cores; so may any example.
settings.register_profile(
    "leafmark", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("leafmark")


def pytest_configure() -> None:
    """Give the processes that tests start the signals of a terminal.

    A job in the background of a script inherits SIGINT ignored, one under `nohup` SIGHUP, and hands that on. A
    signal that has a handler here, whichever, is back at its default in a process that is started.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, lambda *_: None)
    # A developer's own config file says nothing to the tests.
    os.environ["LEAFMARK_CONFIG"] = ""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures that tests recorded, from whichever process they ran in."""
    for report in terminalreporter.getreports("passed"):
        for name, value in getattr(report, "user_properties", []):
            if name == "figure":
                terminalreporter.write_line(value)


@pytest.fixture(scope="session")
def broker_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with embedded_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture
def broker(broker_of_session: EmbeddedBroker) -> EmbeddedBroker:
    """A real server, empty."""
    broker_of_session.keep_alive()
    broker_of_session.flush()
    return broker_of_session


@pytest.fixture
def redis(broker: EmbeddedBroker) -> Iterator[Redis]:
    """A client of that server."""
    with Redis.from_url(broker.url) as client:
        yield client


@pytest.fixture
def deployment(tmp_path: Path, broker: EmbeddedBroker) -> Iterator[Deployment]:
    with deployment_in(tmp_path, broker.url) as made:
        yield made


@pytest.fixture
def workload(tmp_path: Path, broker: EmbeddedBroker) -> Iterator[Deployment]:
    """A deployment whose stage does as it is told, with a journal of every attempt."""
    with deployment_in(tmp_path, broker.url, "work") as made:
        made.journal.mkdir()
        made.environment["WORK_JOURNAL"] = str(made.journal)
        yield made

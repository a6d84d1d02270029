"""What more than one tier of tests needs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.embedded import EmbeddedBroker, embedded_broker
from tests.deployment import Deployment, deployment_in


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
def deployment(tmp_path: Path, broker: EmbeddedBroker) -> Iterator[Deployment]:
    with deployment_in(tmp_path, broker.url) as made:
        yield made

"""A real worker with several processes is scraped, and what it shows adds up to the book."""

import signal
import socket
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.deployment import Deployment, Process
from tests.support.fake_deployment import write_scan
from tests.support.free_port import free_port

PAGES = 12
SCAN = "a-book"


class Scraped:
    """What a worker shows just now."""

    def __init__(self, port: int) -> None:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        self.samples = [each for family in text_string_to_metric_families(text) for each in family.samples]

    def sum(self, name: str, **labels: str) -> float:
        return sum(
            each.value for each in self.samples if each.name == name and labels.items() <= each.labels.items()
        )


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    folder = tmp_path / "temp"
    folder.mkdir()
    return folder


def figures_in(temp: Path) -> list[Path]:
    return list(temp.glob("leafmark-metrics-*"))


def start_worker(workload: Deployment, port: int, temp: Path) -> Process:
    return workload.start_worker(
        2, LEAFMARK_METRICS_PORT=str(port), TMPDIR=str(temp), WORK_TROUBLE='{"3": "error"}', PYTHONWARNINGS="ignore"
    )


def listening(worker: Process) -> set[tuple[str, int]]:
    """Where a worker and its processes listen."""
    mother = psutil.Process(worker.pid)
    return {
        (each.laddr.ip, each.laddr.port)
        for process in (mother, *mother.children(recursive=True))
        for each in process.net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    }


def test_what_the_processes_of_a_worker_count_adds_up_to_the_book(workload: Deployment, temp: Path) -> None:
    port = free_port()
    worker = start_worker(workload, port, temp)
    workload.wait_until_ready()
    workload.wait(lambda: _answers(port), 20, "the metrics")
    assert listening(worker) == {("127.0.0.1", port)}
    # A second one on this machine forgot to choose a port of its own.
    second = start_worker(workload, port, temp)

    write_scan(workload.root, SCAN, PAGES)
    workload.producer("enqueue", SCAN, "--stage", "work", "--wait", expect=8)
    seen = Scraped(port)
    assert seen.sum("leafmark_pages_total", stage="work", outcome="complete") == PAGES - 1
    assert seen.sum("leafmark_page_seconds_count", stage="work") == PAGES - 1
    assert seen.sum("leafmark_pages_total", outcome="try_again") == 2
    assert seen.sum("leafmark_quarantined_pages_total", stage="work", kind="error") == 1
    assert seen.sum("leafmark_claims_total", event="taken") == PAGES + 2
    workload.wait(
        lambda: Scraped(port).sum("leafmark_commit_pages_sum", stage="work") == PAGES, 10, "the last commit counted"
    )
    assert seen.sum("leafmark_pages_waiting") + seen.sum("leafmark_pages_in_window") == 0
    assert (seen.sum("leafmark_broker_up"), seen.sum("leafmark_build_info")) == (1, 1)

    assert workload.wait_for_exit(second) == 7
    (said,) = [line for line in workload.logs().splitlines() if line.startswith("leafmark worker: ")]
    assert f"the port {port} for metrics is taken on 127.0.0.1" in said
    assert "set LEAFMARK_METRICS_PORT to another" in said

    assert len(figures_in(temp)) == 1
    worker.terminate()
    assert workload.wait_for_exit(worker) == 0
    assert figures_in(temp) == []


def test_the_reconciler_of_a_killed_worker_removes_its_figures_and_leaves_its_port(
    workload: Deployment, temp: Path
) -> None:
    port = free_port()
    worker = start_worker(workload, port, temp)
    workload.wait_until_ready()
    workload.wait(lambda: _answers(port), 20, "the metrics")
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    workload.wait(lambda: not figures_in(temp), 20, "the figures to be removed")
    workload.wait(lambda: _is_free(port), 20, "the port to be left")


def _is_free(port: int) -> bool:
    """Whether the next worker could listen there."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _answers(port: int) -> bool:
    try:
        Scraped(port)
    except (URLError, ConnectionError):
        return False
    return True

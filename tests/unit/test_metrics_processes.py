"""Counting in several processes, where to, and what a worker that does not count pays: nothing."""

import multiprocessing
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpointing.errors import SettingsError
from checkpointing.money import Money
from tests.support.counted import Counted, counting
from tests.support.fake_deployment import STAGE
from worker.config.settings import Settings
from worker.queue.messages import Outcome
from worker.telemetry.metrics import start
from worker.telemetry.metrics.events import metrics
from worker.telemetry.metrics.folder import MetricsFolder, remove_left_behind


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    with counting(tmp_path, monkeypatch) as made:
        yield made


def test_children_of_the_same_place_go_on_with_one_file_and_others_add_up(counted: Counted) -> None:
    metrics().spent(STAGE, Money.from_micro(1_000_000))
    context = multiprocessing.get_context("fork")
    for name in ("one", "two", "one"):
        child = context.Process(target=lambda: metrics().spent(STAGE, Money.from_micro(1_000_000)), name=name)
        child.start()
        child.join(10)
        assert child.exitcode == 0
    assert counted.of_stage("leafmark_spend_usd_total") == pytest.approx(4)
    folder = metrics().folder
    assert folder is not None
    names = {path.name for path in folder.glob("counter_*.db")}
    assert names == {f"counter_{multiprocessing.current_process().name}.db", "counter_one.db", "counter_two.db"}


def test_a_fork_amid_counting_threads_leaves_no_lock_behind(counted: Counted) -> None:
    stopping = threading.Event()

    def count() -> None:
        while not stopping.is_set():
            metrics().page(STAGE, "complete", 0.1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(20):
            child = multiprocessing.get_context("fork").Process(
                target=lambda: metrics().page(STAGE, "complete", 0.1), name=f"child-{number}"
            )
            child.start()
            child.join(10)
            assert child.exitcode == 0
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert counted.of_stage("leafmark_pages_total", outcome="complete") >= 20


def test_figures_that_cannot_be_kept_stop_no_page(
    counted: Counted, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("worker.telemetry.metrics.recorder.os.getpid", lambda: -1)
    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr("worker.telemetry.metrics.recorder.name_of_process", lambda: "another")
    assert counted.fake.process(1) is Outcome.COMPLETE
    assert counted.fake.process(2) is Outcome.COMPLETE
    assert capfd.readouterr().out.count("metrics of this process stop") == 1


def test_a_worker_without_a_port_loads_nothing_and_counts_nothing(tmp_path: Path) -> None:
    script = """
import sys
import worker.celery, worker.tasks, worker.reconciler.process
from worker.telemetry.metrics.events import Metrics, metrics
from worker.telemetry.metrics.server import serving_metrics
from worker.telemetry.metrics.start import start_metrics
start_metrics(worker.celery.settings)
with serving_metrics(worker.celery.settings, 0, None):
    pass
assert type(metrics()) is Metrics
print([name for name in sys.modules if name.startswith("prometheus_client")])
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEAFMARK_")}
    environment |= {"LEAFMARK_STORAGE_ROOT": str(tmp_path), "TMPDIR": str(tmp_path), "LEAFMARK_METRICS_PORT": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False, timeout=60
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
    assert list(tmp_path.glob("leafmark-metrics-*")) == []


def test_the_folder_of_a_killed_worker_is_removed_and_that_of_a_living_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.telemetry.metrics.folder.tempfile.tempdir", str(tmp_path))
    living = MetricsFolder()
    dead = tmp_path / "leafmark-metrics-dead"
    young = tmp_path / "leafmark-metrics-young"
    link = tmp_path / "leafmark-metrics-link"
    for path in (dead, young):
        path.mkdir()
        (path / "lock").touch()
    link.symlink_to(tmp_path)
    for path in (living.path, dead):
        os.utime(path, (0, 0))
    remove_left_behind()
    assert {path.name for path in tmp_path.iterdir()} == {living.path.name, young.name, link.name}
    living.remove()
    assert not living.path.exists()


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def settings_of(root: Path, port: int, host: str = "127.0.0.1") -> Settings:
    return Settings(storage_root=root, metrics_port=port, metrics_host=host)


def test_a_port_that_is_taken_is_said_in_one_line(
    taken: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "_PORT_SECONDS", 0.3)
    port = taken.getsockname()[1]
    with pytest.raises(SettingsError, match=rf"the port {port} for metrics is taken .* set LEAFMARK_METRICS_PORT"):
        start.start_metrics(settings_of(tmp_path, port))


def test_a_port_that_the_worker_before_is_about_to_leave_is_waited_for(taken: socket.socket) -> None:
    host, port = taken.getsockname()
    leaving = threading.Timer(0.3, taken.close)
    leaving.start()
    start._check_port(host, port)
    leaving.join()


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_an_address_that_is_not_ours_is_said_in_one_line(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"metrics cannot be served at .*; set LEAFMARK_METRICS_HOST"):
        start.start_metrics(settings_of(tmp_path, 65_000, host))

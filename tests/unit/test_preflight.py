"""What a worker checks before its first page."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from checkpointing.errors import BrokerError, LeafmarkError, StorageError
from tests.support.fake_deployment import SCAN, files_under, write_scan
from worker import preflight
from worker.config.settings import Settings
from worker.preflight import check_broker, check_engines, check_storage, main, without_password
from worker.stages.base import LoadedEngine
from worker.storage.open_stages import OWN_FOLDER
from worker.storage.root_marker import library_at

CLOSED_PORT = "redis://127.0.0.1:1/0"


def settings(root: Path, redis_url: str = CLOSED_PORT) -> Settings:
    return Settings(storage_root=root, redis_url=redis_url)


def test_storage_that_can_be_written_and_locked_is_fine_and_nothing_of_the_check_is_left(tmp_path: Path) -> None:
    library_at(tmp_path).make()
    before = files_under(tmp_path).keys()
    check_storage(settings(tmp_path))
    check_storage(settings(tmp_path))
    assert files_under(tmp_path).keys() == before


def test_a_worker_on_a_folder_that_is_not_a_library_writes_nothing_and_knows_what_it_waits_for(
    tmp_path: Path,
) -> None:
    assert f"{tmp_path} is not a Leafmark library" in check_storage(settings(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_root_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match="missing is not a folder; create it or mount it, or set LEAFMARK_STORAGE"
    ):
        check_storage(settings(tmp_path / "missing"))
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file is not a folder"):
        check_storage(settings(tmp_path / "file"))


def test_a_file_where_our_own_folder_belongs_is_said_to_be_in_the_way(tmp_path: Path) -> None:
    write_scan(tmp_path, SCAN, 1)
    (tmp_path / OWN_FOLDER).write_text("in the way")
    with pytest.raises(StorageError, match="a file is in the place of a folder"):
        check_storage(settings(tmp_path))


@pytest.mark.parametrize("call", ["fsync", "write"])
def test_storage_that_fails_is_said_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    library_at(tmp_path).make()
    before = files_under(tmp_path).keys()
    monkeypatch.setattr(os, call, full)
    with pytest.raises(StorageError, match="no space left on the storage"):
        check_storage(settings(tmp_path))
    assert files_under(tmp_path).keys() == before


@pytest.mark.parametrize("url", [CLOSED_PORT, "unix:///nowhere.sock"])
def test_a_broker_that_does_not_answer_is_said_with_the_ways_out(tmp_path: Path, url: str) -> None:
    with pytest.raises(BrokerError) as caught:
        check_broker(settings(tmp_path, url))
    message = str(caught.value)
    assert "\n" not in message
    for way_out in (url, "redis-server --appendonly yes", "docker compose up redis", "REDIS_URL", "producer run"):
        assert way_out in message


def test_the_brokers_password_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(BrokerError) as caught:
        check_broker(settings(tmp_path, "redis://user:se@cret@127.0.0.1:1/0"))
    assert "redis://127.0.0.1:1/0" in str(caught.value)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost/0", "redis://localhost/0"),
        ("redis://:pw@host:1/2", "redis://host:1/2"),
        ("redis://u:p@w@host", "redis://host"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("redis://host/0?password=pw", "redis://host/0"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_an_engine_that_cannot_be_loaded_is_said_in_its_own_words() -> None:
    with pytest.raises(LeafmarkError, match="there is no stage 'nonsense'; stages: ocr") as caught:
        check_engines(["nonsense"])
    assert caught.value.exit_code == 4


def test_no_stages_need_nothing() -> None:
    assert main([]) == 0


def test_the_check_tells_the_engine_of_each_stage_that_has_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = LoadedEngine("rapidocr 3 on cuda", "cuda")
    stages = {"ocr": engine, "correction": None}
    monkeypatch.setattr(
        preflight, "make_stage", lambda name, _: SimpleNamespace(prepare=lambda: None, loaded_engine=stages[name])
    )

    assert main(list(stages)) == 0
    program = f"print('a library greets'); print({capsys.readouterr().out!r}, end='')"
    monkeypatch.setattr(preflight, "python_command", lambda *_: [sys.executable, "-c", program])
    assert check_engines(stages) == {"ocr": engine}


def test_a_wrong_setting_is_said_by_the_check_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEAFMARK_DPI", "1")
    assert main(["ocr"]) == 7
    assert capsys.readouterr().err.startswith("wrong settings: LEAFMARK_DPI='1'")

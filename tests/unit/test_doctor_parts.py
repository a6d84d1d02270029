"""What the doctor makes of what it finds: file systems, room, clocks, Redis, models, settings."""

import os
import subprocess
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from checkpointing.atomic import write_durably
from checkpointing.errors import CheckpointError, SettingsError
from producer.doctor import broker, storage
from producer.doctor.broker import BrokerFacts, check_password, judge_broker
from producer.doctor.check import Area, Check, Level, Reporter
from producer.doctor.leftovers import examine_leftovers
from producer.doctor.mounts import Mount, check_mount, mount_of
from producer.doctor.own_settings import examine_settings
from producer.doctor.stages import examine_engines, examine_models
from producer.doctor.storage import check_clock, check_room, examine_storage
from tests.support.fake_deployment import make_fake
from worker.config.setting_sources import find_origins
from worker.config.settings import ENV_PREFIX, Settings
from worker.stages.base import LoadedEngine
from worker.storage.root_marker import library_at

OK, WARNING, PROBLEM = Level.OK, Level.WARNING, Level.PROBLEM
TABLE = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt rw - tmpfs tmpfs rw
31 22 0:41 / /mnt/my\040scans rw,noatime shared:5 - nfs4 host:/x rw,vers=4.2,hard,acregmax=60,local_lock=none
32 22 0:42 / /mntx rw - cifs //host/x rw
nonsense
33 31 0:43 / /mnt/my\040scans/inner rw - fuse.sshfs host: rw
"""


def levels(checks: Iterable[Check]) -> dict[str, Level]:
    """The level of each check, by name; whatever is not fine says what to do."""
    found = {}
    for check in checks:
        assert bool(check.then) is (check.level is not OK), check
        assert "\n" not in check.line()
        found[check.name] = check.level
    return found


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/home/scans", "ext4"),
        ("/mnt", "tmpfs"),
        ("/mnt/my scans", "nfs4"),
        ("/mnt/my scans/book/ocr", "nfs4"),
        ("/mnt/my scans/inner/a", "fuse.sshfs"),
        ("/mntx", "cifs"),
    ],
)
def test_the_mount_of_a_path_is_the_deepest_one_around_it(path: str, kind: str) -> None:
    found = mount_of(Path(path), TABLE)
    assert found is not None
    assert found.kind == kind


def test_a_mount_over_another_hides_it() -> None:
    over = "34 22 0:44 / /mnt rw - xfs /dev/sdb rw\n"
    found = mount_of(Path("/mnt/a"), TABLE + over)
    assert found is not None
    assert found.kind == "xfs"
    assert mount_of(Path("/mnt/a"), "") is None


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("ext4", "", {"file_system": OK}),
        ("ceph", "", {"file_system": OK}),
        ("nfs4", "hard,vers=4.2,local_lock=none,acregmax=60,acdirmax=60", {"file_system": OK}),
        ("nfs4", "soft,vers=4.1", {"nfs_soft": WARNING}),
        ("nfs4", "hard,local_lock=flock", {"nfs_locks": PROBLEM}),
        ("nfs", "hard,vers=3,nolock", {"nfs_locks": PROBLEM, "nfs_version": WARNING}),
        ("nfs4", "hard,acregmax=600", {"nfs_cache": WARNING}),
        ("fuse.s3fs", "", {"file_system": WARNING}),
        ("cifs", "", {"file_system": WARNING}),
        ("tmpfs", "", {"file_system": WARNING}),
        ("overlay", "", {"file_system": WARNING}),
    ],
)
def test_a_file_system_is_judged_as_the_storage_of_many(
    kind: str, options: str, expected: dict[str, Level]
) -> None:
    assert levels(check_mount(Mount(Path("/mnt"), kind, frozenset(options.split(","))))) == expected


@pytest.fixture
def root(tmp_path: Path) -> Path:
    library_at(tmp_path).make()
    return tmp_path


def test_storage_in_order_is_fine_and_nothing_is_left_in_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "check_mount", lambda _mount: iter(()))
    monkeypatch.setattr(storage, "check_room", lambda _root: iter(()))
    before = sorted(root.rglob("*"))
    found = levels(examine_storage(root))
    assert found == {"root": OK, "writes": OK, "clock": OK, "locks": OK}
    assert sorted(root.rglob("*")) == before


def test_a_missing_root_is_a_problem_and_is_not_made(tmp_path: Path) -> None:
    assert levels(examine_storage(tmp_path / "missing")) == {"root": PROBLEM}
    assert list(tmp_path.iterdir()) == []


def test_storage_that_cannot_be_written_is_a_problem(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    before = sorted(root.rglob("*"))
    monkeypatch.setattr(os, "fsync", full)
    found = list(examine_storage(root))
    assert levels(found)["writes"] is PROBLEM
    assert "no space left" in found[-1].what
    assert sorted(root.rglob("*")) == before


def test_storage_that_does_not_replace_or_is_slow_is_seen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def keeps_the_first(path: Path, data: bytes, check: Any) -> None:
        if not path.exists():
            write_durably(path, data, check)

    clock = iter(range(0, 100, 2))
    with monkeypatch.context() as patched:
        patched.setattr(storage, "write_durably", keeps_the_first)
        assert levels(examine_storage(root))["replaces"] is PROBLEM
    with monkeypatch.context() as patched:
        patched.setattr(
            "producer.doctor.storage.time", SimpleNamespace(time=lambda: 0.0, monotonic=lambda: next(clock))
        )
        assert levels(examine_storage(root))["writes"] is WARNING


@pytest.mark.parametrize(("while_held", "after"), [(0, 0), (1, 1), (2, 0)])
def test_locks_that_a_second_process_does_not_see_are_a_problem(
    root: Path, monkeypatch: pytest.MonkeyPatch, while_held: int, after: int
) -> None:
    said = iter([while_held, after])
    monkeypatch.setattr(storage, "_second_process", lambda _probe: next(said))
    assert levels(examine_storage(root))["locks"] is PROBLEM


@pytest.mark.parametrize("error", [CheckpointError("held"), subprocess.TimeoutExpired("python", 10)])
def test_locks_that_hang_are_a_problem(root: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def hangs(_probe: Path) -> int:
        raise error

    monkeypatch.setattr(storage, "_second_process", hangs)
    assert levels(examine_storage(root))["locks"] is PROBLEM


@pytest.mark.parametrize(
    ("free", "files", "expected"),
    [
        (10**12, 10**6, {"free_space": OK, "free_files": OK}),
        (10**9, 10_000, {"free_space": WARNING, "free_files": WARNING}),
        (10**7, 100, {"free_space": PROBLEM, "free_files": PROBLEM}),
    ],
)
def test_little_room_is_seen(
    monkeypatch: pytest.MonkeyPatch, free: int, files: int, expected: dict[str, Level]
) -> None:
    def statvfs(_root: Path) -> Any:
        return SimpleNamespace(f_bavail=free // 1000, f_frsize=1000, f_favail=files, f_files=1)

    monkeypatch.setattr(os, "statvfs", statvfs)
    assert levels(check_room(Path("/"))) == expected


@pytest.mark.parametrize(
    ("stamp", "level"), [(100.0, OK), (99.0, OK), (103.5, OK), (104.5, WARNING), (90.0, WARNING)]
)
def test_the_storages_clock_is_held_against_ours(stamp: float, level: Level) -> None:
    assert check_clock(stamp, 100.0, 102.0).level is level


def test_leftovers_are_found_and_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = make_fake(tmp_path / "scans", monkeypatch)
    scan = fake.write_scan()
    assert levels(examine_leftovers(fake.parts.store)) == {"scans": OK}
    (scan.path / "checkpoints").mkdir()
    (scan.path / "checkpoints" / "ocr.json.unusable-20260101T000000Z-abc").touch()
    (scan.path / fake.stage.output_dir).mkdir()
    temp = scan.path / fake.stage.output_dir / "page_0001.json.tmp.0123"
    temp.touch()
    found = list(examine_leftovers(fake.parts.store))
    assert levels(found) == {"orphans": WARNING, "unusable_checkpoints": WARNING}
    assert str(temp.relative_to(fake.root)) in found[0].what
    assert temp.exists()
    assert levels(examine_leftovers(fake.parts.store, -1))["scans"] is OK


INFO: dict[str, Any] = {
    "valkey_version": "8.1.3",
    "redis_version": "7.2.4",
    "role": "master",
    "aof_enabled": 1,
    "maxmemory_policy": "noeviction",
    "maxmemory": 1_000_000,
    "used_memory": 100_000,
}


def judged(ping_ms: float = 1.0, ahead_seconds: float = 0.0, **info: Any) -> dict[str, Level]:
    return levels(judge_broker(BrokerFacts(INFO | info, ping_ms, ahead_seconds)))


def test_a_broker_in_order_is_fine() -> None:
    assert set(judged().values()) == {OK}
    (first, *_) = judge_broker(BrokerFacts(INFO, 1.0, 0.0))
    assert first.what == "valkey 8.1.3, answers in 1.0 ms"


@pytest.mark.parametrize(
    ("changes", "name", "level"),
    [
        ({"ping_ms": 50.0}, "answers", WARNING),
        ({"valkey_version": None, "redis_version": "6.0.5"}, "answers", PROBLEM),
        ({"ahead_seconds": 30.0}, "clock", WARNING),
        ({"ahead_seconds": -30.0}, "clock", WARNING),
        ({"aof_enabled": 0}, "persistence", WARNING),
        ({"aof_last_write_status": "err"}, "persistence", PROBLEM),
        ({"maxmemory_policy": "allkeys-lru"}, "eviction", PROBLEM),
        ({"used_memory": 900_000}, "memory", WARNING),
        ({"used_memory": 990_000}, "memory", PROBLEM),
        ({"role": "slave"}, "role", PROBLEM),
        ({"cluster_enabled": 1}, "cluster", PROBLEM),
        ({"loading": 1}, "loading", WARNING),
    ],
)
def test_what_is_wrong_with_a_broker_is_seen(changes: dict[str, Any], name: str, level: Level) -> None:
    found = judged(**changes)
    assert {each for each, how in found.items() if how is not OK} == {name}
    assert found[name] is level


def test_a_broker_that_may_not_be_asked_is_said_to_be_so() -> None:
    assert levels(judge_broker(BrokerFacts({}, 1.0, 0.0))) == {"answers": OK, "clock": OK, "info": WARNING}


@pytest.mark.parametrize(
    ("url", "level"),
    [
        ("redis://localhost:6379/0", OK),
        ("redis://127.0.0.1:6379/0", OK),
        ("redis://[::1]:6379/0", OK),
        ("unix:///run/redis.sock", OK),
        ("redis://broker.example:6379/0", WARNING),
        ("redis://:pw@broker.example:6379/0", OK),
        ("rediss://broker.example/0?password=pw", OK),
    ],
)
def test_a_broker_elsewhere_should_have_a_password(url: str, level: Level) -> None:
    assert levels(check_password(url)) == {"password": level}


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis://:geheim@127.0.0.1:1/0"])
def test_a_broker_that_does_not_answer_is_a_problem(tmp_path: Path, url: str) -> None:
    (found,) = broker.examine_broker(Settings(storage_root=tmp_path, redis_url=url))
    assert (found.name, found.level) == ("answers", PROBLEM)
    assert "producer run" in found.then
    assert "geheim" not in found.line()


def test_stages_that_ask_a_model_are_looked_at_without_a_call() -> None:
    fine = {"llm_base_url": "http://127.0.0.1:1/v1", "llm_api_key": "k"}
    assert levels(examine_models(Settings())) == {"set_up": OK}
    missing = list(examine_models(Settings(correction_model="m")))
    assert [check.level for check in missing] == [PROBLEM, OK, OK]
    assert "LEAFMARK_LLM_BASE_URL and LEAFMARK_LLM_API_KEY" in missing[0].then
    unpriced = list(examine_models(Settings(**fine, fix_model="a-model-of-ours")))
    assert [check.level for check in unpriced] == [OK, WARNING, OK]
    assert "a-model-of-ours=IN/OUT" in unpriced[1].then
    priced = Settings(**fine, fix_model="m", prices={"m": {"in": Decimal(1), "out": Decimal(2)}})
    assert {check.level for check in examine_models(priced)} == {OK}


def test_variables_that_are_no_settings_are_pointed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LEAFMARK_CONFIG", "")
    monkeypatch.setenv("LEAFMARK_DPI", "150")
    assert levels(examine_settings(find_origins(ENV_PREFIX, Settings.model_fields))) == {
        "file": OK,
        "environment": OK,
    }
    monkeypatch.setenv("LEAFMARK_OCR_ENGIN", "tesseract")
    found = list(examine_settings(find_origins(ENV_PREFIX, Settings.model_fields)))
    assert (found[-1].level, found[-1].then) == (WARNING, "did you mean LEAFMARK_OCR_ENGINE?")


def test_a_secret_that_others_may_read_is_among_the_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.toml"
    file.write_text('llm_api_key = "k"')
    file.chmod(0o644)
    monkeypatch.setenv("LEAFMARK_CONFIG", str(file))
    found = levels(examine_settings(find_origins(ENV_PREFIX, Settings.model_fields)))
    assert found["secret"] is WARNING


ON_CUDA = {"ocr": LoadedEngine("rapidocr 3, onnxruntime-gpu 1 on cuda", "cuda")}


def test_what_the_engine_computes_on_is_told_with_its_version() -> None:
    (found,) = examine_engines(Settings(), lambda _: ON_CUDA)

    assert found.what.startswith(
        "rapidocr loads on cuda, and OCR can be done on this machine (rapidocr 3, onnxruntime-gpu 1 on cuda);"
    )


def test_an_engine_that_does_not_load_is_said_with_its_remedy() -> None:
    def broken(_stages: object) -> None:
        raise SettingsError("Tesseract has no data for the language 'xxx'; install it")

    assert levels(examine_engines(Settings(), lambda _: ON_CUDA)) == {"loads": OK}
    (found,) = examine_engines(Settings(), broken)
    assert (found.level, found.then) == (WARNING, "install it")


def test_a_language_that_the_engine_takes_no_notice_of_is_said_with_the_engine_that_does() -> None:
    found = list(examine_engines(Settings(ocr_lang="deu"), lambda _: ON_CUDA))

    assert levels(found) == {"language": WARNING, "loads": OK}
    assert found[0].then == "set LEAFMARK_OCR_ENGINE=tesseract, or unset LEAFMARK_OCR_LANG"


def test_storage_that_may_not_be_looked_at_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", denied)
    assert levels(examine_storage(tmp_path)) == {"writes": PROBLEM}


def test_scans_that_may_not_be_looked_at_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = make_fake(tmp_path / "scans", monkeypatch)
    fake.write_scan()

    def denied(*_: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", denied)
    assert levels(examine_leftovers(fake.parts.store)) == {"scans": PROBLEM}


def test_a_line_is_one_line_without_commands_for_a_terminal() -> None:
    said = Reporter(Area.WORKERS).warning("version", "an\x1b[2Jother\nroot " + "x" * 5000, "look").line()
    assert said.startswith("warning  workers: an [2Jother root xxx")
    assert len(said) < 1100

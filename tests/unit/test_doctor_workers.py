"""What the doctor makes of what workers say, and what a worker says of itself."""

import time
from pathlib import Path
from typing import Any

import pytest

from producer.doctor.asking import Answer, ask_workers, token_file
from producer.doctor.check import Level
from producer.doctor.workers import beats, examine_workers, judge_worker, judge_workers, waiting_pages
from tests.support.fake_deployment import REF, STAGE, make_fake
from tests.unit.test_doctor_parts import levels
from worker.config.settings import PROFILE_SETTINGS, Settings
from worker.storage.root_marker import library_at
from worker.worker_info import INTRODUCE, Introduction, introduction, token_path

OK, WARNING, PROBLEM = Level.OK, Level.WARNING, Level.PROBLEM


def said(**changes: Any) -> Introduction:
    return introduction(Settings(), ["ocr"], 4, None).model_copy(update={"sees_token": True, **changes})


def answer(*stages: str) -> Answer:
    return Answer(f"{'-'.join(stages)}@host", said(stages=list(stages)))


def test_no_worker_is_a_warning_and_with_waiting_pages_a_problem() -> None:
    assert levels(judge_workers([], 0, {})) == {"alive": WARNING}
    (found,) = judge_workers([], 0, {"ocr": 3})
    assert (found.level, found.what, found.then) == (PROBLEM, "no worker answers", "start one: producer worker")
    (found,) = judge_workers([], 1, {"ocr": 3})
    assert found.what == "no worker answers, although 1 worker was alive seconds ago"


def test_workers_that_serve_all_that_waits_are_fine() -> None:
    assert levels(judge_workers([answer("ocr"), answer("fix")], 2, {"ocr": 3, "fix": 1})) == {
        "alive": OK,
        "served": OK,
    }


def test_pages_that_no_worker_serves_are_a_problem() -> None:
    found = list(judge_workers([answer("ocr")], 1, {"ocr": 3, "fix": 7}))
    assert found[-1].level is PROBLEM
    assert found[-1].what == "7 pages wait for fix, which no worker serves"
    assert found[-1].then.endswith("worker -Q fix --pool=threads --concurrency 64")


def test_a_worker_that_is_silent_or_too_old_to_know_the_question_is_seen() -> None:
    old = Answer("old@host", None, "KeyError('leafmark_introduce')")
    assert levels(judge_workers([answer("ocr"), old], 3, {})) == {
        "alive": OK,
        "silent": WARNING,
        "version": WARNING,
        "served": OK,
    }


@pytest.mark.parametrize(
    ("changes", "ahead", "name", "level"),
    [
        ({"version": "0.0.9"}, 0.0, "version", WARNING),
        ({"engine": "rapidocr 1.0"}, 0.0, "engine", WARNING),
        ({"sees_token": False}, 0.0, "same_storage", PROBLEM),
        ({}, 30.0, "clock", WARNING),
        ({"settings": said().settings | {"max_pixels": "1000000"}}, 0.0, "settings", WARNING),
    ],
)
def test_a_worker_that_differs_is_seen(changes: dict[str, Any], ahead: float, name: str, level: Level) -> None:
    assert set(levels(judge_worker("w@h", said(), said(), 0.0)).values()) == {OK}
    found = levels(judge_worker("w@h", said(**changes), said(), ahead))
    assert {each for each, how in found.items() if how is not OK} == {name}
    assert found[name] is level


def test_workers_may_have_other_settings_that_are_recorded_at_the_enqueue() -> None:
    theirs = Settings(ocr_engine="tesseract", ocr_lang="deu", ocr_typeface="fraktur", dpi=150, ocr_crop="off")
    other = introduction(theirs, ["ocr"], 4, None).model_copy(update={"sees_token": True})
    assert set(levels(judge_worker("w@h", other, said(), 0.0)).values()) == {OK}
    assert not {*PROFILE_SETTINGS.values()} & said().settings.keys()


def test_workers_may_compute_on_different_devices() -> None:
    checks = list(judge_worker("w@h", said(device="cuda"), said(device="cpu"), 0.0))

    assert set(levels(checks).values()) == {OK}
    assert " on cuda, 4 pages at once of ocr" in checks[0].what
    assert "ocr_device" not in said().settings


def test_settings_are_compared_where_they_matter_to_a_stage() -> None:
    ocr_only = introduction(Settings(correction_model="m"), ["ocr"], 1, None).settings
    asking = introduction(Settings(correction_model="m"), ["correction"], 1, None).settings
    assert "correction_model" not in ocr_only
    assert asking["correction_model"] == "m"
    assert "dpi" not in asking


def test_a_worker_tells_no_secret() -> None:
    settings = Settings(
        llm_base_url="https://u:geheim@h/v1", llm_api_key="geheim", redis_url="redis://:geheim@h", fix_model="m"
    )
    assert "geheim" not in introduction(settings, ["ocr", "fix"], 1, None).model_dump_json()


def test_a_worker_sees_the_file_of_the_same_storage_and_no_other(tmp_path: Path) -> None:
    here, elsewhere = Settings(storage_root=tmp_path / "a"), Settings(storage_root=tmp_path / "b")
    for settings in (here, elsewhere):
        library_at(settings.root).make()
    before = sorted(here.root.rglob("*"))
    with token_file(here.root) as token:
        assert introduction(here, ["ocr"], 1, token).sees_token
        assert not introduction(elsewhere, ["ocr"], 1, token).sees_token
        token_path(elsewhere.root, "0" * 16).write_text(token)
        assert not introduction(elsewhere, ["ocr"], 1, "0" * 16).sees_token
    assert not introduction(here, ["ocr"], 1, token).sees_token
    assert sorted(here.root.rglob("*")) == before


@pytest.mark.parametrize("token", ["../../etc/passwd", "", "0" * 17, 7, None, ["0" * 16], "\ud800" * 16])
def test_a_token_that_is_none_finds_nothing(tmp_path: Path, token: object) -> None:
    (tmp_path / ".leafmark").mkdir()
    assert not introduction(Settings(storage_root=tmp_path), ["ocr"], 1, token).sees_token


class FakeApp:
    """Workers that answer with these forms."""

    def __init__(self, *replies: Any) -> None:
        self.control = self
        self._replies = replies

    def broadcast(self, command: str, *, arguments: dict[str, str], callback: Any, **_: object) -> None:
        assert command == INTRODUCE
        assert arguments.keys() == {"token"}
        for reply in self._replies:
            callback(reply)


def test_answers_are_read_and_clocks_compared() -> None:
    forms = [
        {"b@h": said(clock=time.time()).model_dump()},
        {"a@h": said(clock=time.time() + 60).model_dump()},
        {"c@h": said(clock=time.time() - 60).model_dump()},
        {"d@h": {"error": "KeyError('leafmark_introduce')"}},
        {"e\x1b[2J@h": "\x1b[31mred"},
        "nonsense",
    ]
    a, b, c, d, e = ask_workers(FakeApp(*forms), "0" * 16)
    assert [a.name, b.name, c.name, d.name] == ["a@h", "b@h", "c@h", "d@h"]
    assert a.ahead_seconds == pytest.approx(60, abs=5)
    assert b.ahead_seconds == pytest.approx(0, abs=5)
    assert c.ahead_seconds == pytest.approx(-60, abs=5)
    assert (d.said, d.trouble) == (None, "KeyError('leafmark_introduce')")
    assert "\x1b" not in e.name + e.trouble


def test_what_waits_and_who_lives_is_read_from_the_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = make_fake(tmp_path / "scans", monkeypatch)
    fake.write_scan(pages=50)
    assert (beats(fake.parts.queues), waiting_pages(fake.parts.store, fake.parts.queues)) == (set(), {})
    fake.ask_for((1, 50), total_pages=50)
    for _ in fake.queue.put(range(1, 51)):
        pass
    fake.parts.queues.dispatch(STAGE).record_heartbeat("host:7", 2)
    assert beats(fake.parts.queues) == {"host:7"}
    assert waiting_pages(fake.parts.store, fake.parts.queues) == {STAGE: 50}
    assert fake.open_stages.is_open(REF)


def test_with_redis_away_no_worker_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = make_fake(tmp_path / "scans", monkeypatch, redis_url="redis://127.0.0.1:1/0")
    (found,) = examine_workers(fake.parts.store, fake.parts.queues, FakeApp())
    assert (found.name, found.level) == ("asked", PROBLEM)

"""Settings: each comes from the environment, and a wrong one is named with its value."""

from pathlib import Path

import pytest

from checkpointing.errors import SettingsError
from worker.config.settings import ENV_PREFIX, Settings, load_settings
from worker.keys import Keys


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{name.upper()}", raising=False)


def refused(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith("wrong settings: ")
    assert "\n" not in message
    return message


def test_the_defaults_are_those_of_one_machine() -> None:
    settings = load_settings()
    assert settings.root == Path.home() / "Documents" / "book_scans"
    assert settings.redis_url == "redis://localhost:6379/0"
    assert Keys(settings.key_prefix).queue("ocr") == "leafmark:celery:ocr"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("storage_root", "/mnt/scans", Path("/mnt/scans")),
        ("redis_url", "rediss://:secret@broker.example:6380/2", "rediss://:secret@broker.example:6380/2"),
        ("redis_url", "unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("key_prefix", "", ""),
        ("key_prefix", "library-2:", "library-2:"),
        ("ocr_engine", "tesseract", "tesseract"),
        ("ocr_device", "auto", "auto"),
        ("ocr_lang", "deu+eng", "deu+eng"),
        ("ocr_lang", "frak2021", "frak2021"),
        ("ocr_lang", "frak2021_1.069", "frak2021_1.069"),
        ("ocr_lang", "script/Fraktur", "script/Fraktur"),
        ("ocr_lang", "deu+frk+script/HanS_vert", "deu+frk+script/HanS_vert"),
        ("ocr_lang", "Latin", "Latin"),
        ("ocr_lang", "chi_sim", "chi_sim"),
        ("dpi", "72", 72),
        ("max_attempts", "1", 1),
        ("claim_seconds", "1.5", 1.5),
        ("heal_seconds", "0.2", 0.2),
        ("page_seconds", "86400", 86_400),
        ("log_level", "DEBUG", "DEBUG"),
    ],
)
def test_each_setting_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: object
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}{name.upper()}", value)
    assert getattr(load_settings(), name) == expected


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("REDIS_URL", "localhost:6379", "redis://, rediss:// or unix://"),
        ("REDIS_URL", "http://localhost", "redis://, rediss:// or unix://"),
        ("KEY_PREFIX", "a b", "A-Za-z0-9"),
        ("KEY_PREFIX", "x" * 51, "{0,50}"),
        ("OCR_ENGINE", "easyocr", "choose rapidocr or tesseract"),
        ("OCR_LANG", "eng;rm -rf", "like eng, deu+eng, frak2021 or script/Fraktur"),
        ("OCR_LANG", "../eng", "the names of Tesseract's data files"),
        ("OCR_LANG", "script/../eng", "the names of Tesseract's data files"),
        ("OCR_LANG", "/etc/eng", "the names of Tesseract's data files"),
        ("OCR_LANG", "deu+", "joined by '+'"),
        ("OCR_LANG", "deu eng", "joined by '+'"),
        ("OCR_LANG", "", "joined by '+'"),
        ("OCR_LANG", ".hidden", "joined by '+'"),
        ("OCR_LANG", "a//b", "joined by '+'"),
        ("DPI", "71", "greater than or equal to 72"),
        ("DPI", "1201", "less than or equal to 1200"),
        ("DPI", "three hundred", "integer"),
        ("DPI", "", "integer"),
        ("MAX_PIXELS", "0", "greater than or equal to 1000000"),
        ("MAX_ATTEMPTS", "0", "greater than or equal to 1"),
        ("CLAIM_SECONDS", "0", "greater than or equal to 1"),
        ("CLAIM_SECONDS", "nan", "less than or equal to 3600"),
        ("HEAL_SECONDS", "inf", "less than or equal to 600"),
        ("PAGE_SECONDS", "1.5", "integer"),
        ("LOG_LEVEL", "verbose", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    message = refused(monkeypatch, **{f"{ENV_PREFIX}{name}": value})
    assert f"{ENV_PREFIX}{name}={value!r}" in message
    assert allowed in message


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    message = refused(monkeypatch, LEAFMARK_DPI="1", LEAFMARK_LOG_LEVEL="loud")
    assert "LEAFMARK_DPI='1'" in message
    assert "LEAFMARK_LOG_LEVEL='loud'" in message


@pytest.mark.parametrize("root", ["", "~nobody-of-that-name/scans"])
def test_a_storage_root_that_means_no_folder_is_refused(monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    """An empty one would otherwise be the folder one happens to stand in."""
    message = refused(monkeypatch, LEAFMARK_STORAGE_ROOT=root)
    assert f"LEAFMARK_STORAGE_ROOT={root!r}" in message


def test_the_password_in_a_wrong_redis_url_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    message = refused(monkeypatch, LEAFMARK_REDIS_URL="reddis://:secret@broker.example")
    assert "LEAFMARK_REDIS_URL" in message
    assert "secret" not in message


def test_the_home_folder_is_filled_in_and_a_relative_root_made_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Settings(storage_root=Path("~/scans")).root == tmp_path / "scans"
    assert Settings(storage_root=Path("demo/scans")).root == tmp_path / "demo" / "scans"


def test_variables_of_others_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPI", "1")
    monkeypatch.setenv("LEAFMARK_FLAVOUR", "vanilla")
    assert load_settings().dpi == 300


def test_a_language_that_the_engine_takes_no_notice_of_is_told_once_with_the_engine_that_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEAFMARK_OCR_LANG", "deu")

    assert load_settings().ocr_lang == "deu"

    assert capsys.readouterr().err == (
        "leafmark: LEAFMARK_OCR_LANG=deu has no effect, because the engine rapidocr ignores it; "
        "set LEAFMARK_OCR_ENGINE=tesseract, or unset LEAFMARK_OCR_LANG\n"
    )


@pytest.mark.parametrize("settings", [{"OCR_LANG": "eng"}, {"OCR_LANG": "deu", "OCR_ENGINE": "tesseract"}, {}])
def test_a_language_that_has_an_effect_or_is_the_default_is_not_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: dict[str, str]
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"LEAFMARK_{name}", value)

    load_settings()

    assert capsys.readouterr().err == ""

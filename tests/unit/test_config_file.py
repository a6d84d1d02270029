"""The config file: where it is looked for, what goes before it, and that whatever is wrong is said in one line."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from checkpointing.errors import SettingsError
from worker.config.config_file import CONFIG_VARIABLE, FILE_NAME, LOCAL_SETTINGS, read_config_files
from worker.config.setting_sources import Origin, Source, find_origins, masked
from worker.config.settings import ENV_PREFIX, PROFILE_SETTINGS, Settings, load_settings
from worker.llm.prices import Price


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings, no file: a home and a current folder of the test's own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{name.upper()}", raising=False)
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def here(text: str, mode: int = 0o600) -> Path:
    return write(Path(FILE_NAME).absolute(), text, mode)


def at_home(text: str, mode: int = 0o600) -> Path:
    """The user's own file."""
    return write(Path("~/.config/leafmark/leafmark.toml").expanduser(), text, mode)


def files() -> list[Path]:
    return [file.path for file in read_config_files(Settings.model_fields)]


def refused() -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.exit_code == 7
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_named_file_is_the_only_one_and_that_in_the_folder_goes_before_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert files() == []
    own = at_home("dpi = 101\nmax_pixels = 2000000")
    assert (files(), load_settings().dpi) == ([own], 101)
    in_xdg = write(tmp_path / "xdg/leafmark/leafmark.toml", "dpi = 102\nmax_pixels = 2000001")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert (files(), load_settings().dpi) == ([in_xdg], 102)
    in_folder = here("dpi = 103")
    settings = load_settings()
    assert (files(), settings.dpi, settings.max_pixels) == ([in_folder, in_xdg], 103, 2_000_001)
    named = write(tmp_path / "home/named.toml", "dpi = 104")
    monkeypatch.setenv(CONFIG_VARIABLE, "~/named.toml")
    settings = load_settings()
    assert (files(), settings.dpi, settings.max_pixels) == ([named], 104, 40_000_000)
    monkeypatch.setenv(CONFIG_VARIABLE, "")
    assert (files(), load_settings().dpi) == ([], 300)


ELSEWHERE = {
    "storage_root": '"/stolen"',
    "redis_url": '"redis://evil.example/0"',
    "key_prefix": '"other:"',
    "max_attempts": "100",
    "llm_base_url": '"https://evil.example/v1"',
    "llm_api_key": '"theirs"',
    "correction_model": '"dear-model"',
    "fix_model": '"dear-model"',
    "structure_model": '"dear-model"',
    "correction_vision": "true",
    "llm_tries": "100",
    "budget_usd": "1000.0",
    "prices": '"m=0.01/0.01"',
    "metrics_port": "9101",
    "metrics_host": '"0.0.0.0"',
    "tracing": "true",
}


@pytest.mark.parametrize(("name", "value"), ELSEWHERE.items(), ids=ELSEWHERE)
def test_a_file_in_the_folder_does_not_set_where_pages_keys_and_money_go(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = here(f"dpi = 150\n{name} = {value}\n")
    settings = load_settings()
    assert settings.dpi == 150
    assert getattr(settings, name) == getattr(Settings(), name) == Settings.model_fields[name].default
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"leafmark: {name} in {path} is ignored: a file in the current folder may not set ")
    assert line.endswith(f"name the file: {CONFIG_VARIABLE}={path}")
    monkeypatch.setenv(CONFIG_VARIABLE, FILE_NAME)
    assert getattr(load_settings(), name) != Settings.model_fields[name].default
    assert capsys.readouterr().err == ""


def test_a_file_in_the_folder_takes_nothing_from_the_users_own(capsys: pytest.CaptureFixture[str]) -> None:
    at_home('redis_url = "redis://mine/0"\nbudget_usd = 1\n')
    path = here('redis_url = "redis://evil.example/0"\nbudget_usd = 1000\n')
    settings = load_settings()
    assert (settings.redis_url, settings.budget_usd) == ("redis://mine/0", Decimal(1))
    assert f"redis_url, budget_usd in {path} are ignored" in capsys.readouterr().err


def test_settings_that_can_send_or_spend_are_not_local() -> None:
    told = ("llm_", "url", "model", "usd", "price", "host", "port", "root", "key", "trac", "attempts", "vision")
    assert [name for name in LOCAL_SETTINGS if any(part in name for part in told)] == []
    assert Settings.model_fields.keys() >= LOCAL_SETTINGS >= {*PROFILE_SETTINGS.values()}


def test_standing_in_the_folder_of_the_users_own_file_it_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    own = at_home('redis_url = "redis://mine/0"')
    monkeypatch.chdir(own.parent)
    assert (files(), load_settings().redis_url) == ([own], "redis://mine/0")


def test_a_relative_place_for_config_files_is_not_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", ".")
    write(Path("leafmark") / FILE_NAME, "dpi = 150")
    assert (files(), load_settings().dpi) == ([], 300)


def test_the_environment_goes_before_the_file_and_the_file_before_the_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_home("dpi = 150\nmax_attempts = 5\n[stage_seconds]\nocr = 1\nfix = 2\n")
    monkeypatch.setenv("LEAFMARK_DPI", "200")
    monkeypatch.setenv("LEAFMARK_STAGE_SECONDS", "ocr=9")
    settings = load_settings()
    assert (settings.dpi, settings.max_attempts, settings.heal_seconds) == (200, 5, 2.0)
    assert settings.stage_seconds == {"ocr": 9}
    assert Settings(dpi=250).dpi == 250


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("[stage_seconds]\nocr = 120\nstructure = 60", "stage_seconds", {"ocr": 120, "structure": 60}),
        ('stage_seconds = "ocr=120,structure=60"', "stage_seconds", {"ocr": 120, "structure": 60}),
        ("stage_grace_seconds.ocr = 5", "stage_grace_seconds", {"ocr": 5}),
        ('prices = "m=0.15/0.60"', "prices", {"m": Price(Decimal("0.15"), Decimal("0.60"))}),
        ('[prices]\n"org/m:7b" = "1/2"', "prices", {"org/m:7b": Price(Decimal(1), Decimal(2))}),
        (
            "[prices]\nm = {in = 0.15, out = 0.6, cached = 0.1}",
            "prices",
            {"m": Price(Decimal("0.15"), Decimal("0.6"), Decimal("0.1"))},
        ),
        ("budget_usd = 5.10", "budget_usd", Decimal("5.1")),
        ("claim_seconds = 3", "claim_seconds", 3.0),
        ("correction_vision = true", "correction_vision", True),
        ('storage_root = "/mnt/scans"', "storage_root", Path("/mnt/scans")),
    ],
)
def test_values_are_as_in_the_environment_or_as_toml_has_them(text: str, name: str, expected: object) -> None:
    at_home(text)
    assert getattr(load_settings(), name) == expected


def test_a_relative_storage_root_is_beside_the_file_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(write(tmp_path / "etc/leafmark.toml", 'storage_root = "scans"')))
    assert load_settings().root == tmp_path / "etc/scans"
    write(tmp_path / "etc/leafmark.toml", 'storage_root = "~/scans"')
    assert load_settings().root == tmp_path / "home/scans"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("dpi = 150\ndppi = 150", ["line 2", "no setting 'dppi'", "did you mean 'dpi'"]),
        ('\nLEAFMARK_OCR_LANG = "deu"', ["line 2", "no setting 'LEAFMARK_OCR_LANG'", "did you mean 'ocr_lang'"]),
        ("[leafmark]\ndpi = 1", ["line 1", "no setting 'leafmark'", "producer config"]),
        ("[stage_seconds]\nocr = 1\ndpi = 150", ["line 3", "'dpi' is in the table [stage_seconds]"]),
        ("# a\ndpi = 1", ["line 2", "dpi=1", "greater than or equal to 72"]),
        ("[stage_seconds]\nocr = 0", ["line 1", "stage_seconds.ocr=0", "greater than or equal to 1"]),
        ("stage_seconds = 5", ["stage_seconds=5", "valid dictionary"]),
        ("prices = 5", ["prices=5", "valid dictionary"]),
        ('prices.m = "1"', ["line 1", "does not have two or three prices"]),
        ("prices.m = {in = 1}", ["the price of m is neither"]),
        ("prices.m = {in = true, out = 1}", ["'True' in", "not a number"]),
        ("storage_root = 5", ["storage_root=5", "it is not a path"]),
        ('storage_root = ""', ["storage_root=''", "give the path of a folder"]),
        ("dpi = = 150", ["is not TOML", "line 1", CONFIG_VARIABLE]),
        ("dpi = 1\ndpi = 2\n", ["is not TOML", "line 2"]),
        ("a = " + "[" * 5000, ["is not TOML"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_file_and_place(text: str, parts: list[str]) -> None:
    path = at_home(text)
    message = refused()
    assert str(path) in message
    assert [part for part in parts if part not in message] == []


def test_a_file_that_is_not_text_or_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    here("").write_bytes(b'ocr_lang = "\xff"')
    assert "is not UTF-8 (byte 12)" in refused()

    def denied(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", denied)
    assert "cannot be read (Permission denied)" in refused()


@pytest.mark.parametrize(("name", "what"), [("missing.toml", "does not exist"), ("", "is a folder")])
def test_a_named_file_that_is_none_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, f"{tmp_path}/{name}")
    assert f"named by {CONFIG_VARIABLE}, {what}" in refused()


def test_a_wrong_value_is_laid_at_the_door_of_who_said_it(monkeypatch: pytest.MonkeyPatch) -> None:
    path = here('dpi = 150\nlog_level = "loud"')
    monkeypatch.setenv("LEAFMARK_DPI", "1")
    message = refused()
    assert "LEAFMARK_DPI='1': " in message
    assert f"{path} line 2: log_level='loud': " in message


def test_secrets_in_wrong_values_are_not_shown() -> None:
    at_home('redis_url = "reddis://:geheim@h"\nllm_base_url = "ftp://u:geheim@h"\nllm_api_key = ["geheim"]')
    message = refused()
    assert "redis_url: " in message
    assert "geheim" not in message


def test_a_strangers_file_in_the_current_folder_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    path = here("dpi = 150")
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:
        os.chown(path, 12345, -1)
    assert f"belongs to another user; if you trust it, set {CONFIG_VARIABLE}={path}" in refused()
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    assert load_settings().dpi == 150


@pytest.mark.parametrize(
    ("text", "mode", "warned"),
    [
        ('llm_api_key = "k"', 0o644, True),
        ('llm_api_key = "k"', 0o620, True),
        ('llm_api_key = "k"', 0o600, False),
        ('llm_api_key = ""', 0o644, False),
        ('redis_url = "redis://:pw@h"', 0o644, True),
        ('redis_url = "redis://h/0?password=pw"', 0o644, True),
        ('redis_url = "redis://h"', 0o644, False),
        ("dpi = 150", 0o644, False),
    ],
)
def test_a_secret_that_others_may_read_is_warned_of(
    text: str, mode: int, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = at_home(text, mode)
    load_settings()
    out, err = capsys.readouterr()
    assert out == ""
    assert (f"other users may read it; run: chmod 600 {path}" in err) is warned
    assert err.count("\n") == warned


def test_each_origin_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    path = at_home("dpi = 150\n[prices]\nm = '1/2'")
    monkeypatch.setenv("leafmark_ocr_lang", "deu")
    origins = find_origins(ENV_PREFIX, Settings.model_fields)
    assert origins.of("dpi") == Origin(Source.FILE, f"{path} line 1")
    assert origins.of("prices") == Origin(Source.FILE, f"{path} line 2")
    assert origins.of("ocr_lang") == Origin(Source.ENVIRONMENT, "leafmark_ocr_lang")
    assert origins.of("max_pixels") == Origin(Source.DEFAULT)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("llm_api_key", "sk-1", "***"),
        ("llm_api_key", "", ""),
        ("redis_url", "redis://h:1/0", "redis://h:1/0"),
        ("redis_url", "redis://:pw@h:1/0", "redis://:***@h:1/0"),
        ("redis_url", "redis://u:p@w/?x@h", "redis://u:***@h"),
        (
            "redis_url",
            "rediss://h/0?ssl_ca_certs=/ca.pem&password=pw",
            "rediss://h/0?ssl_ca_certs=/ca.pem&password=***",
        ),
        ("redis_url", "rediss://h/0?ssl_password=p@w&db=1", "rediss://h/0?ssl_password=***&db=1"),
        ("redis_url", "redis://h/0?PASSWORD=pw&timeout=5", "redis://h/0?PASSWORD=***&timeout=5"),
        ("redis_url", "redis://h/0?pass%77ord=pw", "redis://h/0?pass%77ord=***"),
        ("llm_base_url", "https://u:pw@h/v1", "https://u:***@h/v1"),
        ("llm_base_url", "https://sk-1@h/v1", "https://***@h/v1"),
        ("llm_base_url", "https://h/v1?key=sk-1", "https://h/v1?key=***"),
        (
            "llm_base_url",
            "https://h/v1?api-version=2024-06&subscription-key=s&x=",
            "https://h/v1?api-version=2024-06&subscription-key=***&x=***",
        ),
        ("llm_base_url", "https://h/v1?sk-1", "https://h/v1?***"),
        ("llm_base_url", "https://h/v1#token=sk-1", "https://h/v1#token=***"),
        ("llm_base_url", "https://h:8080/v1", "https://h:8080/v1"),
        ("dpi", 300, "300"),
    ],
)
def test_passwords_are_masked(name: str, value: Any, shown: str) -> None:
    assert masked(name, value) == shown


def test_a_place_that_cannot_be_read_or_is_gone_holds_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert files() == []

    def denied(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", denied)
    assert files() == []

"""`producer config`: what is in force, and who said so."""

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from producer.cli import app
from worker.config.settings import ENV_PREFIX, Settings
from worker.config.shown_settings import shown_value


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{name.upper()}", raising=False)


def config(*arguments: str) -> Result:
    done = CliRunner().invoke(app, ["config", *arguments])
    assert done.exit_code == 0, done.output
    return done


def test_every_setting_is_there_with_value_and_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.toml"
    file.write_text('redis_url = "redis://:geheim@127.0.0.1:1/0"\nprices.m = "0.15/0.60/0.10"\n')
    file.chmod(0o600)
    monkeypatch.setenv("LEAFMARK_CONFIG", str(file))
    monkeypatch.setenv("LEAFMARK_LLM_API_KEY", "geheim")
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", str(tmp_path / "not-there"))
    shown = config("--json").stdout
    assert "geheim" not in shown
    told = json.loads(shown)
    settings = {each["name"]: each for each in told["settings"]}
    assert told["file"] == str(file)
    assert told["files"] == [{"path": str(file), "ignored": []}]
    assert settings.keys() == Settings.model_fields.keys()
    assert settings["redis_url"] == {
        "name": "redis_url",
        "variable": "LEAFMARK_REDIS_URL",
        "value": "redis://:***@127.0.0.1:1/0",
        "source": "file",
        "place": f"{file} line 1",
    }
    assert settings["prices"]["value"] == "m=0.15/0.60/0.10"
    assert (settings["llm_api_key"]["value"], settings["llm_api_key"]["source"]) == ("***", "environment")
    assert settings["dpi"] | {"place": ""} == settings["dpi"]
    assert (settings["dpi"]["value"], settings["dpi"]["source"]) == ("300", "default")
    for_people = config().stdout
    assert "geheim" not in for_people
    assert len(for_people.splitlines()) == 1 + len(Settings.model_fields)


def test_files_in_use_are_named_and_what_is_ignored_of_that_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "leafmark" / "leafmark.toml"
    own.parent.mkdir()
    own.write_text("dpi = 150\n")
    local = tmp_path / "leafmark.toml"
    local.write_text("llm_base_url = 'https://evil.example'\n")
    monkeypatch.delenv("LEAFMARK_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    done = config()
    assert f"Config file: {local}\nConfig file: {own}\n" in done.stderr
    assert f"llm_base_url in {local} is ignored" in done.stderr
    told = json.loads(config("--json").stdout)
    assert told["files"] == [
        {"path": str(local), "ignored": ["llm_base_url"]},
        {"path": str(own), "ignored": []},
    ]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_value_that_is_shown_says_the_same_in_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    changed = Settings.model_validate(
        {
            "stage_seconds": {"ocr": 5, "fix": 6},
            "prices": "m=1/2,n=0.1/0.20/0.05",
            "budget_usd": Decimal("5.10"),
            "correction_vision": True,
            "claim_seconds": 4.5,
        }
    )
    monkeypatch.setenv(f"{ENV_PREFIX}{name.upper()}", shown_value(changed, name))
    again = getattr(Settings(), name)
    assert again == (changed.root if name == "storage_root" else getattr(changed, name))


def test_the_command_line_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.setting_options._by_option", set())
    monkeypatch.setenv("LEAFMARK_DPI", "150")
    # To be put back: the command changes the environment of its process.
    monkeypatch.setenv("LEAFMARK_LLM_API_KEY", "")
    options = ["--set", "dpi=400", "--set", "LEAFMARK_LLM_API_KEY=geheim=1"]
    done = CliRunner().invoke(app, [*options, "config", "--json"])
    settings = {each["name"]: each for each in json.loads(done.stdout)["settings"]}
    assert (settings["dpi"]["value"], settings["dpi"]["source"], settings["dpi"]["place"]) == (
        "400",
        "option",
        "--set",
    )
    assert settings["llm_api_key"]["value"] == "***"
    assert os.environ["LEAFMARK_LLM_API_KEY"] == "geheim=1"


@pytest.mark.parametrize(
    ("pair", "meant"),
    [("dppi=geheim", "did you mean 'dpi'?"), ("dpi", "NAME=VALUE"), ("x=geheim", "producer config")],
)
def test_what_is_no_setting_is_refused_without_its_value(pair: str, meant: str) -> None:
    done = CliRunner().invoke(app, ["--set", pair, "config"], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert meant in done.output
    assert "geheim" not in done.output

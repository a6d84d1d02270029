"""The README and the example of a config file match the code, where a test can check it."""

import re
from pathlib import Path

import pytest

from worker.config.settings import ENV_PREFIX, Settings, load_settings

PROJECT = Path(__file__).parents[2]
CONFIGURATION = PROJECT / "docs" / "reference" / "configuration.md"


def test_the_readme_begins_with_the_two_commands_and_fits_150_lines() -> None:
    lines = (PROJECT / "README.md").read_text().splitlines()
    assert len(lines) <= 150
    block = lines[lines.index("```sh") + 1 : lines.index("```")]
    assert [line.partition("#")[0].strip() for line in block] == ["make demo", "make test"]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_relative_link_leads_to_a_file(name: str) -> None:
    links = re.findall(r"\]\((?!\w+:)([^)#]+)(?:#[^)]*)?\)", (PROJECT / name).read_text())
    assert [link for link in links if not (PROJECT / link).exists()] == []


def test_the_example_of_a_config_file_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{name.upper()}", raising=False)
    (example,) = re.findall(r"```toml\n(.*?)```", CONFIGURATION.read_text(), flags=re.DOTALL)
    file = tmp_path / "leafmark.toml"
    file.write_text(example)
    file.chmod(0o600)
    monkeypatch.setenv("LEAFMARK_CONFIG", str(file))
    settings = load_settings()
    assert settings.root == Path("/mnt/scans")
    assert settings.soft_seconds("structure") == 60
    assert settings.price_book().knows("my-model")
    assert settings.missing_for("correction") == []

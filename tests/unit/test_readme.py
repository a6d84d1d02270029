"""The README and docs/reference/configuration.md say what the code does, where that can be checked."""

import re
from pathlib import Path

import pytest

from checkpointing import errors
from checkpointing.errors import EXIT_CODES, LeafmarkError
from docs_tools.readme_tables import CONFIGURATION, README, between_marks, exit_code_rows, settings_table
from worker.config.settings import ENV_PREFIX, Settings, load_settings

DONE, USAGE, INTERRUPTED = 0, 2, 130


@pytest.mark.parametrize("page", [README, CONFIGURATION], ids=lambda page: page.name)
def test_the_table_of_settings_is_that_of_the_code(page: Path) -> None:
    assert between_marks(page.read_text()) == settings_table(), "write it anew: python -m docs_tools.readme_tables"


def test_every_setting_is_described() -> None:
    for row in settings_table().splitlines()[2:]:
        assert re.fullmatch(r"\| `[A-Z_]+` \| `[^`]+` \| [A-Z].+[.`] \|", row), row


@pytest.mark.parametrize("page", [README, CONFIGURATION], ids=lambda page: page.name)
def test_the_table_of_exit_codes_is_that_of_the_errors(page: Path) -> None:
    _, _, section = page.read_text().partition("\n## Exit codes\n")
    rows = re.findall(r"^\| \d+ \| .*$", section.partition("\n## ")[0], flags=re.MULTILINE)
    assert rows == exit_code_rows()


def test_every_exit_code_is_in_the_table_and_no_other() -> None:
    own = {
        each.exit_code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, LeafmarkError)
    }
    assert own | {DONE, USAGE, INTERRUPTED} == EXIT_CODES.keys()


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

"""The README says what the code does, where that can be checked."""

import re

from checkpointing import errors
from checkpointing.errors import LeafmarkError
from tests.readme_tables import README, between_marks, settings_table

DONE, USAGE, INTERRUPTED = 0, 2, 130


def test_the_table_of_settings_is_that_of_the_code() -> None:
    assert between_marks(README.read_text()) == settings_table(), "write it anew: python -m tests.readme_tables"


def test_every_setting_is_described() -> None:
    for row in settings_table().splitlines()[2:]:
        assert re.fullmatch(r"\| `[A-Z_]+` \| `[^`]+` \| [A-Z].+[.`] \|", row), row


def test_the_table_of_exit_codes_is_that_of_the_errors() -> None:
    _, _, section = README.read_text().partition("\n## Exit codes\n")
    rows = re.findall(r"^\| (\d+) \| \S", section.partition("\n## ")[0], flags=re.MULTILINE)
    own = {error.exit_code for error in vars(errors).values() if isinstance(error, type(LeafmarkError))}
    assert [int(code) for code in rows] == sorted(own | {DONE, USAGE, INTERRUPTED})

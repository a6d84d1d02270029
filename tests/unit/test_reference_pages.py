"""The generated pages of docs/reference/ match the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from checkpointing import errors
from checkpointing.errors import LeafmarkError
from docs_tools.pages import DOCS, generated_pages, settings_table, write_pages
from producer.program import EXIT_CODES

DONE, USAGE, INTERRUPTED = 0, 2, 130


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as a new process writes them: here, other test modules have registered stages of their own."""
    folder = tmp_path_factory.mktemp("docs")
    code = f"from pathlib import Path; from docs_tools.pages import write_pages; write_pages(Path({str(folder)!r}))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=DOCS.parent)
    return folder


@pytest.mark.parametrize("path", generated_pages())
def test_a_generated_page_is_up_to_date(path: str, generated: Path) -> None:
    assert (DOCS / path).read_text() == (generated / path).read_text(), "write it again: python -m docs_tools.pages"


def test_the_pages_can_be_written_into_an_empty_folder(tmp_path: Path) -> None:
    write_pages(tmp_path)
    written = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.md")}
    assert written == generated_pages()


def test_the_list_of_commands_has_whole_sentences_and_links() -> None:
    page = generated_pages()["reference/commands.md"]
    listed = re.findall(r"^\* \[`([\w-]+)`\]\(#producer-([\w-]+)\): [A-Z].*[^.]\.$", page, flags=re.MULTILINE)
    described = re.findall(r"^## `producer ([\w-]+)`$", page, flags=re.MULTILINE)
    assert listed == [(name, name) for name in described]


def test_every_setting_is_described() -> None:
    for row in settings_table().splitlines()[2:]:
        assert re.fullmatch(r"\| `LEAFMARK_[A-Z_]+` \| `[^`]+` \| [A-Z].+[.`] \|", row), row


def test_the_table_of_exit_codes_has_each_code_and_no_other() -> None:
    own = {
        each.exit_code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, LeafmarkError)
    }
    assert own | {DONE, USAGE, INTERRUPTED} == EXIT_CODES.keys()
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", generated_pages()["reference/exit-codes.md"], flags=re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == EXIT_CODES

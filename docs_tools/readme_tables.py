"""The tables of settings and exit codes in README.md and docs/reference/configuration.md, made from the code.

`python -m docs_tools.readme_tables` writes those between two marks anew; a test insists that they are up to date.
"""

from pathlib import Path

from checkpointing.errors import EXIT_CODES
from worker.config.settings import Settings

README = Path(__file__).parents[1] / "README.md"
CONFIGURATION = README.parent / "docs" / "reference" / "configuration.md"
_BEGIN = "<!-- settings -->"
_END = "<!-- /settings -->"


def settings_table() -> str:
    """A row a setting, in the order of the class. With its head: a comment line would end the table."""
    rows = ["| name | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{name.upper()}` | {_shown(field.default)} | {field.description} |")
    return "\n".join(rows)


def exit_code_rows() -> list[str]:
    """A row an exit code, ascending; without the table's head."""
    return [f"| {code} | {meaning} |" for code, meaning in sorted(EXIT_CODES.items())]


def between_marks(text: str) -> str:
    """What stands between the two marks in a page.

    Raises:
        ValueError: a mark is missing.
    """
    begin, end = text.index(_BEGIN) + len(_BEGIN), text.index(_END)
    return text[begin:end].strip()


def with_table(text: str) -> str:
    """A page with the table as it should be.

    Raises:
        ValueError: a mark is missing.
    """
    begin, end = text.index(_BEGIN) + len(_BEGIN), text.index(_END)
    return f"{text[:begin]}\n\n{settings_table()}\n\n{text[end:]}"


def _shown(default: object) -> str:
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{'none' if not str(default) or default is None else default}`"


if __name__ == "__main__":
    for page in (README, CONFIGURATION):
        page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")

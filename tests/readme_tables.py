"""The table of settings in the README, made from the settings themselves.

`python -m tests.readme_tables` writes it anew between its two marks; a test insists that it is up to date.
"""

from pathlib import Path

from worker.settings import Settings

README = Path(__file__).parents[1] / "README.md"
_BEGIN = "<!-- settings -->"
_END = "<!-- /settings -->"


def settings_table() -> str:
    """A row a setting, in the order of the class. With its head: a comment line would end the table."""
    rows = ["| name | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{name.upper()}` | {_shown(field.default)} | {field.description} |")
    return "\n".join(rows)


def between_marks(text: str) -> str:
    """What stands between the two marks in the README.

    Raises:
        ValueError: a mark is missing.
    """
    begin, end = text.index(_BEGIN) + len(_BEGIN), text.index(_END)
    return text[begin:end].strip()


def with_table(text: str) -> str:
    """The README with the table as it should be.

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
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")

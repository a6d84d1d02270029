"""The pages of the reference that are made from the code, as Markdown: so they cannot be out of date."""

from collections.abc import Iterator
from typing import Any

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from checkpointing import errors, keys
from docs_tools.schemas import FORMATS, FileFormat, schema_of
from producer.cli import app
from worker.config.settings import ENV_PREFIX, Settings


def generated_pages() -> dict[str, str]:
    """Each page's Markdown by its path under `docs/`."""
    return {
        "reference/cli.md": _commands(),
        "reference/settings.md": _settings(),
        "reference/exit-codes.md": _exit_codes(),
        "reference/file-formats.md": _file_formats(),
        "reference/redis-keys.md": f"# Redis keys\n\n{keys.__doc__}",
    }


_ABOUT_COMMANDS = """\
`make` puts them in `.venv/bin`. Results go to stdout, progress and logs to stderr; how a command ends is told by
its [exit code](exit-codes.md). `celery -A worker worker` and `celery -A worker flower` are Celery's own, and
`celery --help` says what they take.
"""


def _commands() -> str:
    """By Typer's own generator: it sees click in a copy of its own, which tools made for click do not know."""
    command = get_command(app)
    context = typer.Context(command, info_name="producer")
    told = get_docs_for_click(obj=command, ctx=context, name="producer", title="Commands")
    head, _, rest = told.partition("\n")
    return f"{head}\n\n{_ABOUT_COMMANDS}{rest}"


_ABOUT_FORMATS = """\
Everything stands in the folder of its scan, `<storage root>/<scan_id>/`, as JSON in UTF-8. The schemas are JSON
Schema 2020-12. A program of yours that reads these files should pass over fields that it does not know: later
versions may add some. What Scanshelf wrote is read as well, and has
[another form](../how-to/move-from-scanshelf.md).
"""


def _settings() -> str:
    rows = [
        f"| `{ENV_PREFIX}{name.upper()}` | {_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    about = "Environment variables. A value that is not allowed is named when a command or a worker starts."
    return "\n".join(["# Settings", "", about, "", "| name | default | meaning |", "|---|---|---|", *rows, ""])


def _default(value: Any) -> str:
    return "" if value in (None, "", {}) else f"`{value}`"


def _exit_codes() -> str:
    rows = {
        0: ["Done; or nothing to do."],
        2: ["The command line is wrong."],
        130: ["Interrupted; nothing is lost, repeat the command to go on."],
    }
    for error in _tree(errors.LeafmarkError):
        if "exit_code" in vars(error):
            rows.setdefault(error.exit_code, []).append(_first_line(error))
    rows[errors.LeafmarkError.exit_code] = [
        "An error nobody foresaw: please report it with the output of `--debug`."
    ]
    table = [f"| {code} | {' '.join(meanings)} |" for code, meanings in sorted(rows.items())]
    return "\n".join(["# Exit codes", "", "| code | means |", "|---|---|", *table, ""])


def _tree(error: type[errors.LeafmarkError]) -> Iterator[type[errors.LeafmarkError]]:
    yield error
    for kind in error.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield from _tree(kind)


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().splitlines()[0]


def _file_formats() -> str:
    parts = [
        "# File formats",
        _ABOUT_FORMATS,
        *(part for form in FORMATS for part in _format(form)),
    ]
    return "\n\n".join(parts) + "\n"


def _format(form: FileFormat) -> Iterator[str]:
    schema = schema_of(form)
    parts = schema.get("$defs", {})
    yield f"## {form.name}"
    yield f"{form.about} `{form.place}`. Schema: [{form.name}.json](../schemas/{form.name}.json)."
    yield _fields(schema, parts)
    for name, part in parts.items():
        if "properties" in part:
            yield f"**{name}**: {_cell(part.get('description', ''))}"
            yield _fields(part, parts)


def _fields(part: dict[str, Any], parts: dict[str, Any]) -> str:
    rows = [
        f"| `{name}` | {_cell(_type(field, parts))} | {_cell(field.get('description', ''))} |"
        for name, field in part["properties"].items()
    ]
    return "\n".join(["| field | type | meaning |", "|---|---|---|", *rows])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _type(field: dict[str, Any], parts: dict[str, Any]) -> str:
    """A field's type in a word or two; of an enumeration its values."""
    if "$ref" in field:
        name = str(field["$ref"]).rsplit("/", 1)[-1]
        return _type(parts[name], parts) if "enum" in parts[name] else name
    if "anyOf" in field:
        return " or ".join(_type(each, parts) for each in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array" and isinstance(field.get("items"), dict):
        return f"list of {_type(field['items'], parts)}"
    return str(field.get("format", field.get("type", "any")))

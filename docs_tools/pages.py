"""Write the pages of `docs/reference/` that are made from the code: `python -m docs_tools.pages`.

A test compares the written pages with the code.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from typer.cli import get_docs_for_click
from typer.main import get_command

from checkpointing import keys as checkpoint_keys
from docs_tools.schemas import FORMATS, FileFormat, schema_of
from producer.cli import app
from producer.program import EXIT_CODES
from worker import keys as deployment_keys
from worker.billing import keys as billing_keys
from worker.config.settings import ENV_PREFIX, Settings
from worker.ocr.engines.registry import ENGINES
from worker.queue import keys as queue_keys
from worker.stages.registry import STAGES

DOCS = Path(__file__).parents[1] / "docs"


def generated_pages() -> dict[str, str]:
    """Return the Markdown of each generated page by its path under `docs/`."""
    return {
        "reference/commands.md": _commands(),
        "reference/settings.md": _settings(),
        "reference/stages.md": _stages(),
        "reference/exit-codes.md": _exit_codes(),
        "reference/file-formats.md": _file_formats(),
        "reference/redis-keys.md": _redis_keys(),
    }


_KEYS = (checkpoint_keys, queue_keys, billing_keys, deployment_keys)


_ABOUT_KEYS = """\
All keys start with `LEAFMARK_KEY_PREFIX`, which is `leafmark:` by default. No key is the truth: losing all of them
loses no page and no dollar. A key of another type is deleted.
"""


def _redis_keys() -> str:
    tables = [[line for line in str(each.__doc__).splitlines() if line.startswith("|")] for each in _KEYS]
    rows = [re.sub(" +", " ", row) for _, _, *rows in tables for row in rows]
    head = ["# Redis keys", "", _ABOUT_KEYS, "| key | type | lives | holds |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def write_pages(folder: Path = DOCS) -> None:
    """Write all generated pages below a folder.

    Raises:
        OSError: the folder cannot be written.
    """
    for path, markdown in generated_pages().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(markdown, encoding="utf-8")


_ABOUT_COMMANDS = """\
`make` installs the commands in `.venv/bin`; `leafmark` is a second name for `producer`. Results go to stdout,
progress and logs to stderr, and the [exit code](exit-codes.md) says how a command ended. Every command has
`--help`.
"""

_HELP = "* `--help`: Show this message and exit.\n"


def _commands() -> str:
    """Return the page of commands, made by Typer's generator.

    Tools for click do not recognise Typer's commands: Typer carries its own copy of click.
    """
    command = get_command(app)
    context = typer.Context(command, info_name="producer")
    markdown = get_docs_for_click(obj=command, ctx=context, name="producer", title="Commands")
    head, _, rest = markdown.partition("\n")
    rest = rest.replace(f"**Options**:\n\n{_HELP}\n", "").replace(_HELP, "")
    for name, each in getattr(command, "commands", {}).items():
        # The generator cuts long sentences off.
        sentence = " ".join(each.help.split()).partition(". ")[0].rstrip(".")
        line = f"* [`{name}`](#producer-{name}): {sentence}."
        rest = re.sub(rf"^\* `{name}`: .*$", line, rest, flags=re.MULTILINE)
    return f"{head}\n\n{_ABOUT_COMMANDS}{rest.rstrip()}\n"


_ABOUT_FORMATS = """\
All files are in the folder of their scan, `<storage root>/<scan_id>/`, as JSON in UTF-8. The schemas are JSON
Schema 2020-12. A program that reads these files should ignore fields that it does not know: later versions may
add some. Types such as *Doubt* that several files share are [at the end](#parts-of-several-files). Leafmark also
reads the files that Scanshelf wrote, which have [another form](../how-to/move-from-scanshelf.md).
"""


_ABOUT_SETTINGS = """\
A setting is an environment variable, or a key of the [config file](configuration.md) in small letters without
`LEAFMARK_`. A value that is not allowed is reported when a command or a worker starts.
"""


def _settings() -> str:
    return f"# Settings\n\n{_ABOUT_SETTINGS}\n{settings_table()}\n"


def settings_table() -> str:
    """Return the table of all settings, one row each, in the order of the class."""
    rows = [
        f"| `{ENV_PREFIX}{name.upper()}` | {_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| name | default | meaning |", "|---|---|---|", *rows])


def _default(value: object) -> str:
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{'none' if value is None or not str(value) else value}`"


def _exit_codes() -> str:
    rows = [f"| {code} | {meaning} |" for code, meaning in sorted(EXIT_CODES.items())]
    return "\n".join(["# Exit codes", "", "| code | meaning |", "|---|---|", *rows, ""])


def _file_formats() -> str:
    schemas = [(form, schema_of(form)) for form in FORMATS]
    times = Counter(part for _, schema in schemas for part in _parts(schema))
    shared = [part for part, count in times.items() if count > 1]
    formats = [section for form, schema in schemas for section in _format(form, schema, shared)]
    head = ["# File formats", _ABOUT_FORMATS.rstrip()]
    return "\n\n".join([*head, *formats, "## Parts of several files", *shared]) + "\n"


def _format(form: FileFormat, schema: dict[str, Any], shared: list[str]) -> Iterator[str]:
    yield f"## {form.name}"
    yield f"{form.about} `{form.place}`. Schema: [{form.name}.json](../schemas/{form.name}.json)."
    yield _fields(schema, schema.get("$defs", {}))
    yield from (part for part in _parts(schema) if part not in shared)


def _parts(schema: dict[str, Any]) -> Iterator[str]:
    """Yield the description of each object that a file consists of."""
    parts = schema.get("$defs", {})
    for name, part in parts.items():
        if "properties" in part:
            yield f"**{name}**: {_cell(part.get('description', ''))}\n\n{_fields(part, parts)}"


_ABOUT_STAGES = """\
In pipeline order. [Adding a stage](../adding-a-stage.md) explains the columns; an installed package can add stages
and engines. A worker serves the queues that `-Q` names, one for each stage.
"""


def _stages() -> str:
    rows = [
        f"| `{name}` | `{stage.output_dir}/` | {', '.join(f'`{each}`' for each in stage.depends_on)} "
        f"| {f'{stage.context_pages} on either side' if stage.context_pages else ''} "
        f"| {_names_of(stage.Options)} | {f'{stage.threads} threads' if stage.threads else 'one process a core'} |"
        for name, stage in STAGES.built_in()
    ]
    engines = [
        f"| `{name}` | {each.languages} | `{each.package}` | {each.device} |" for name, each in ENGINES.built_in()
    ]
    return "\n".join(
        [
            "# Stages and OCR engines",
            "",
            _ABOUT_STAGES,
            "| stage | outputs in | reads | pages around | settings | a worker does at once |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "| engine | reads | package | computes on |",
            "|---|---|---|---|",
            *engines,
            "",
        ]
    )


def _names_of(options: type[BaseModel]) -> str:
    return ", ".join(f"`{ENV_PREFIX}{name.upper()}`" for name in options.model_fields)


def _fields(part: dict[str, Any], parts: dict[str, Any]) -> str:
    rows = [
        f"| `{name}` | {_cell(_type(field, parts))} | {_cell(field.get('description', ''))} |"
        for name, field in part["properties"].items()
    ]
    return "\n".join(["| field | type | meaning |", "|---|---|---|", *rows])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _type(field: dict[str, Any], parts: dict[str, Any]) -> str:
    """Return a short name of a field's type, or the values of an enumeration."""
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


if __name__ == "__main__":
    write_pages()

"""The JSON Schemas of Leafmark's files, made from the models that read and write them.

`python -m docs_tools.schemas` writes them to `docs/schemas/`; a test compares.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from checkpointing import checkpoint, fields, ledger_entry, page_records
from checkpointing.checkpoint import Checkpoint
from checkpointing.ledger_entry import Call
from docs_tools.field_docs import add_field_docs
from worker.llm import reply
from worker.pages import book_profile as profile
from worker.pages import metadata
from worker.pages.metadata import ScanMetadata
from worker.stages import base, chapters, correction, fix, ocr, ocr_regions, structured_page
from worker.stages import revised_pages as regions
from worker.stages.chapters import BookStructure
from worker.stages.registry import STAGES
from worker.text import edits

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A kind of file.

    Attributes:
        name: of its schema, without the ending.
        model: that it is written from.
        place: where such a file stands in a scan's folder.
        about: what it is, in a sentence.
        added: properties that are written beside the model's.
    """

    name: str
    model: type[BaseModel]
    place: str
    about: str
    added: tuple[tuple[str, str], ...] = ()


_MODULES = (
    ledger_entry,
    checkpoint,
    fields,
    page_records,
    metadata,
    profile,
    base,
    chapters,
    correction,
    edits,
    fix,
    ocr,
    ocr_regions,
    regions,
    structured_page,
    reply,
)
_CLASSES = {name: each for module in _MODULES for name, each in vars(module).items() if isinstance(each, type)}
_MADE_OF = ("made_of_sha256", "Of the outputs that the file was made of: it is made again when one has changed.")

FORMATS = (
    FileFormat(
        "scan",
        ScanMetadata,
        "metadata.json",
        "What a scan is; changed by `producer replace-page`, and with the profile of the book.",
    ),
    FileFormat(
        "checkpoint", Checkpoint, "checkpoints/<stage>.json", "What is complete in a stage, and what it has cost."
    ),
    *(
        FileFormat(
            name, each.schema, f"{each.output_dir}/page_0001.json", (each.schema.__doc__ or "").split("\n")[0]
        )
        for name, each in STAGES.built_in()
    ),
    FileFormat(
        "structure-metadata", BookStructure, "structured/metadata.json", "The book as a whole.", added=(_MADE_OF,)
    ),
    FileFormat(
        "ledger-call",
        Call,
        "ledger/<stage>/page_0001/<attempt>.<state>.<amount>.json",
        "A call of a model that was paid for, or may have been. Amounts are in micro-dollars.",
    ),
)


def schema_of(form: FileFormat) -> dict[str, Any]:
    """Return the schema of a kind of file, as it is written."""
    schema = form.model.model_json_schema(mode="serialization")
    add_field_docs(schema, _CLASSES)
    for name, meaning in form.added:
        schema["properties"][name] = {"type": "string", "description": meaning}
    return {"$schema": _DIALECT, **schema, "title": form.name, "description": f"{form.about} `{form.place}`"}


def as_file(schema: dict[str, Any]) -> str:
    """Return the content of a schema's file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def write_schemas(folder: Path = SCHEMAS) -> None:
    """Write all schemas.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for form in FORMATS:
        (folder / f"{form.name}.json").write_text(as_file(schema_of(form)), encoding="utf-8")


if __name__ == "__main__":
    write_schemas()

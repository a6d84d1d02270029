"""Assemble the outputs of a stage into one file, when all pages are complete.

It runs under the lock of the checkpoint, before its status becomes `completed`, and asks no model. The file records
which outputs it was made of, and is made again only if one of them has changed.
"""

import hashlib
import json
from contextlib import suppress
from typing import Any

from checkpointing.atomic import write_durably
from checkpointing.checkpoint import Checkpoint
from checkpointing.outputs import OutputFolder
from checkpointing.regular_files import read_regular
from worker.stages.base import Stage

_MADE_OF = "made_of_sha256"


def assemble(stage: Stage, outputs: OutputFolder, checkpoint: Checkpoint) -> set[int]:
    """Write the assembled file of a stage whose pages are all complete, unless it is up to date.

    Return the pages whose output is no longer valid; if there are any, no file was written.

    Raises:
        OSError: the storage failed.
    """
    if not stage.assembled_name:
        return set()
    path = outputs.path / stage.assembled_name
    pages = sorted(checkpoint.pages.items())
    made_of = hashlib.sha256("".join(f"{page} {record.sha256} " for page, record in pages).encode()).hexdigest()
    with suppress(OSError, ValueError, AttributeError):
        found = json.loads(read_regular(path))
        if found.get(_MADE_OF) == made_of:
            return set()
        if _MADE_OF not in found:
            # Keep the file of another program: Scanshelf writes one of the same name.
            path.replace(path.with_name(f"{path.name}.before-leafmark"))
    gone = {page for page, _ in pages if not outputs.check(page).valid}
    if gone:
        return gone
    assembled: dict[str, Any] = stage.assemble(outputs.load(page) for page, _ in pages).model_dump(mode="json")
    data = json.dumps({_MADE_OF: made_of, **assembled}, ensure_ascii=False, indent=1).encode()
    write_durably(path, data, json.loads)
    return set()

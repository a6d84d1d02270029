"""The last step of a stage that makes one more file of all its pages, once each of them is complete.

It runs before the checkpoint says `completed`, under its lock, and needs no model. The file notes which outputs it
was made of, so it is made again when one of them has changed, and only then.
"""

import hashlib
import json
from contextlib import suppress
from typing import Any

from checkpointing.atomic import write_durably
from checkpointing.models import Checkpoint
from checkpointing.outputs import OutputFolder
from worker.stages.base import Assembles, Stage

_MADE_OF = "made_of_sha256"


def assemble(stage: Stage, outputs: OutputFolder, checkpoint: Checkpoint) -> bool:
    """Make the file of a stage whose pages are all complete, unless it is there already.

    Returns:
        Whether it was made.

    Raises:
        PageOutputError: an output has gone since it was checked.
        OSError: the storage failed.
    """
    if not isinstance(stage, Assembles):
        return False
    path = outputs.path / stage.assembled_name
    pages = sorted(checkpoint.pages.items())
    made_of = hashlib.sha256("".join(f"{page} {record.sha256} " for page, record in pages).encode()).hexdigest()
    with suppress(OSError, ValueError, AttributeError):
        if json.loads(path.read_bytes()).get(_MADE_OF) == made_of:
            return False
    assembled: dict[str, Any] = stage.assemble(outputs.load(page) for page, _ in pages).model_dump(mode="json")
    data = json.dumps({_MADE_OF: made_of, **assembled}, ensure_ascii=False, indent=1).encode()
    write_durably(path, data, json.loads)
    return True

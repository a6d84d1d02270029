"""Which stages of a scan have begun."""

import contextlib

from checkpointing.errors import CheckpointError
from worker.registry import STAGES
from worker.stages.base import PageOutput
from worker.workshop import Workshop


def begun_stages(workshop: Workshop, scan_id: str) -> list[str]:
    """Return the stages that left something behind, in pipeline order."""
    return [
        name
        for name in STAGES
        if (workshop.checkpoint_file(scan_id, name).path.exists() or workshop.outputs(scan_id, name).path.exists())
        and not is_of_another_program(workshop, scan_id, name)
    ]


def is_of_another_program(workshop: Workshop, scan_id: str, stage: str) -> bool:
    """Whether what lies in a stage's folder is what another program made, in a form that counts for nothing here.

    So it is with Scanshelf's `structured/`, until the stage has begun: nothing of it is a difference.

    Raises:
        OSError: the storage failed.
    """
    schema = workshop.stage(stage).schema
    reads_older_form = any("from_older_form" in vars(each) for each in schema.__mro__ if each is not PageOutput)
    if reads_older_form or not workshop.scan(scan_id).is_taken_over(workshop.metadata(scan_id)):
        return False
    outputs, file = workshop.outputs(scan_id, stage), workshop.checkpoint_file(scan_id, stage)
    with contextlib.suppress(CheckpointError):
        return not file.is_of_this_version() and not any(outputs.check(page).valid for page in outputs.pages())
    return False

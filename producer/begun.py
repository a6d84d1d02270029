"""Which stages of a scan have begun."""

from worker.registry import STAGES
from worker.workshop import Workshop


def begun_stages(workshop: Workshop, scan_id: str) -> list[str]:
    """Return the stages that left something behind, in pipeline order."""
    return [
        name
        for name in STAGES
        if workshop.checkpoint_file(scan_id, name).path.exists() or workshop.outputs(scan_id, name).path.exists()
    ]

"""The yardstick of `throughput`: what a person writes who has Celery and a folder.

The same Celery settings, the same output, the same durable save; no claim, no completion, no checkpoint.
`celery -A benchmarks.bare worker`.
"""

from functools import cache

from checkpointing.outputs import OutputFolder, OutputSchema
from tests.workload import WorkOutput, WorkStage
from worker.app import make_app
from worker.settings import load_settings

settings = load_settings()
app = make_app(settings)
app.conf.include = []


@cache
def stage() -> WorkStage:
    """Made once a process."""
    return WorkStage()


@app.task(name="bare.save")  # type: ignore[untyped-decorator]  # Celery publishes no types
def save(scan_id: str, page: int) -> None:
    """Make a page and save it."""
    outputs = OutputFolder(settings.root / scan_id / "work", OutputSchema.of(WorkOutput))
    outputs.save(page, stage().run(page, None))

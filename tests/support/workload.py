"""The real worker and the real command line with one more stage, `work`, for tests, benchmarks and chaos.

`celery -A tests.support.workload worker` and `python -m tests.support.workload COMMAND ...` behave as the shipped
ones do. What the stage does with a page is told by the environment: see `tests.support.work_stage`.
"""

from tests.support.work_stage import WorkStage
from worker.stages.registry import register

register(WorkStage)

from worker import celery as shipped  # noqa: E402  # its application's queues are those of the stages registered by now

app = shipped.app
# The stage needs no engine, and loading that of OCR takes longer than most tests.
shipped.check_engines = lambda _stages: {}

__all__ = ["WorkStage", "app"]

if __name__ == "__main__":
    from producer.cli import main

    main()

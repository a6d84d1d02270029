"""Celery's own command line for Leafmark's application, with the working directory kept off Python's path.

`python -m worker.launch.safe_celery worker -Q ocr` does what `celery -A worker worker -Q ocr` does. Celery itself
would look for the application in the working directory first, and run a `worker.py` that lies there.
"""

import os
import sys
from importlib import import_module

from celery import maybe_patch_concurrency

from worker.launch.child_processes import safe_path_variables

_APPLICATION = ["-A", "worker"]


def main() -> int:
    """Run Celery's command line with the arguments of this process; returns the exit code."""
    os.environ.update(safe_path_variables(os.environ))
    # Celery hands them on as they are here when it detaches or restarts itself.
    if sys.argv[1:3] != _APPLICATION:
        sys.argv[1:1] = _APPLICATION
    # Before the rest is imported: gevent changes what they would import.
    if "multi" not in sys.argv:
        maybe_patch_concurrency()
    # What is imported already is not looked for in the working directory.
    import_module("worker.celery")
    import_module("worker.tasks")
    from celery.bin.celery import celery  # noqa: PLC0415  # after the application

    # The name that its help and errors show.
    return celery(auto_envvar_prefix="CELERY", prog_name="producer") or 0


if __name__ == "__main__":
    sys.exit(main())

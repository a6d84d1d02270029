"""A worker of `producer run`: a Celery worker that ends by itself when the supervisor is gone.

Its standard input is a pipe that `producer.run.supervisor` never writes to. End of file there means that the
supervisor was killed with -9, because otherwise it stops its workers first. The worker then finishes the pages in
hand, as at any stop, and the last one ends the broker.

`python -m producer.run.embedded_worker LOCK worker -Q ocr` does what
`python -m worker.launch.safe_celery worker -Q ocr` does. LOCK is the descriptor of the lock that the supervisor
holds. The worker shares it, so that the next `producer run` on the storage root waits until all workers of this one
are gone.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

import billiard
from redis.exceptions import RedisError

from checkpointing.errors import LeafmarkError
from checkpointing.locks import file_lock
from producer.run.embedded_broker import end_server
from producer.run.supervisor import BROKER_FOLDER, GRACE_SECONDS, SUPERVISOR_LOCK, report_failure
from worker.config.settings import load_settings
from worker.launch import safe_celery
from worker.telemetry.celery_logs import WorkerGivesUp

_CHILD_SECONDS = 5.0


def main() -> int:
    """Run Celery's command line with the arguments after the lock; return the exit code."""
    lock = int(sys.argv.pop(1))
    orphaned = threading.Event()
    try:
        # Celery installs its own handler, which finishes the pages in hand, later. Inside the `try`, because the
        # signal may arrive while the thread starts, if the run was killed before.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        threading.Thread(target=_end_when_orphaned, args=(orphaned,), name="parent-watch", daemon=True).start()
        return safe_celery.main()
    except WorkerGivesUp as error:
        report_failure(load_settings(warn=bool).root, error.reason)
        raise
    finally:
        if orphaned.is_set():
            _end_children()
            os.close(lock)
            _end_broker_unless_used()


def _end_when_orphaned(orphaned: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1):
        """The supervisor writes nothing."""
    orphaned.set()
    sys.stderr.write(
        "leafmark worker: the `producer run` that started it was killed; it finishes the pages in hand and ends\n"
    )
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    _end_broker()
    # With its pool, as the supervisor would end it.
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _end_children() -> None:
    """End the child processes of a worker that was stopped while it started: they hold the lock too."""
    children = [*multiprocessing.active_children(), *billiard.active_children()]
    for child in children:
        child.terminate()
    for child in children:
        child.join(_CHILD_SECONDS)


def _end_broker_unless_used() -> None:
    """End the broker if no other worker of the run holds the lock; otherwise that worker ends it."""
    with suppress(OSError, LeafmarkError), file_lock(load_settings(warn=bool).root / SUPERVISOR_LOCK, 0.0):
        _end_broker()


def _end_broker() -> None:
    settings = load_settings(warn=bool)
    with suppress(OSError, RedisError):
        end_server(urlsplit(settings.redis_url).port or 0, settings.root / BROKER_FOLDER)


if __name__ == "__main__":
    sys.exit(main())

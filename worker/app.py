"""Configure Celery. Each setting prevents a failure that occurred.

No task has an ETA or a countdown: Redis delivers such a message again after each visibility timeout.
"""

from celery import Celery
from kombu import Queue

from worker.config.settings import Settings
from worker.keys import Keys
from worker.queue.broker import celery_settings, forget_other_brokers
from worker.queue.connection import socket_options
from worker.stages.registry import STAGES

_VISIBILITY_MARGIN_SECONDS = 3600


def make_app(settings: Settings) -> Celery:
    """Return the Celery application of a deployment."""
    forget_other_brokers()
    app = Celery("worker", include=["worker.tasks"], set_as_current=False)
    app.conf.update(
        # Checks certificates, and refuses every message that is not a page task.
        **celery_settings(settings.redis_url),
        # One queue per stage, with its name: `-Q ocr` makes an OCR machine; without -Q a worker serves all stages.
        task_queues=[Queue(name) for name in STAGES],
        task_default_queue=next(iter(STAGES)),
        task_create_missing_queues=False,
        # Acknowledge a message when its page is safe; reserve no second page behind a slow one.
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        # The page of a process that died is enqueued again; without this its message would be dropped. Its attempt
        # was counted before, so that it cannot loop forever.
        task_reject_on_worker_lost=True,
        task_acks_on_timeout=False,
        # A short outage of Redis must not stop a paid call, which would then be paid for twice.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # The result of a page is its output file.
        task_ignore_result=True,
        # Neither accept nor send pickle.
        accept_content=["json"],
        task_serializer="json",
        # Flower turns events on in the workers when it starts. Without Flower nothing reads them, and sending them
        # takes a third of the time of a short task.
        worker_send_task_events=False,
        task_track_started=True,
        # Each stage has its own limits, below; these apply to tasks that are not of a stage.
        task_soft_time_limit=settings.page_seconds,
        task_time_limit=settings.longest_seconds,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A Redis that is full or cannot save answers with an error, which must not end the worker either.
        broker_channel_error_retry=True,
        broker_transport_options={
            "global_keyprefix": Keys(settings.key_prefix).broker_prefix,
            "visibility_timeout": settings.longest_seconds + _VISIBILITY_MARGIN_SECONDS,
            # The worker ignores the limits in a message and sets its own.
            "page_limits": {name: (settings.hard_seconds(name), settings.soft_seconds(name)) for name in STAGES},
            **socket_options(settings.redis_url),
        },
        # Replace a pool process before a memory leak can matter.
        worker_max_tasks_per_child=1000,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app

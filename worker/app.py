"""How Celery is set up. Each setting answers a failure that was seen; `docs/design.md` tells them."""

from celery import Celery
from kombu import Queue

from worker.config.settings import Settings
from worker.keys import Keys
from worker.queue.broker import celery_settings, forget_other_brokers
from worker.queue.connection import socket_options
from worker.stages.registry import STAGES

_VISIBILITY_MARGIN_SECONDS = 3600


def make_app(settings: Settings) -> Celery:
    """The application for some settings."""
    forget_other_brokers()
    app = Celery("worker", include=["worker.tasks"], set_as_current=False)
    app.conf.update(
        # Checks certificates, and lets nothing but pages through.
        **celery_settings(settings.redis_url),
        # One queue a stage, named by it: `-Q ocr` makes an OCR machine; without -Q a worker serves all.
        task_queues=[Queue(name) for name in STAGES],
        task_default_queue=next(iter(STAGES)),
        task_create_missing_queues=False,
        # Acknowledged after the page is safe; a slow page holds no other back.
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        # A page whose process died goes back, and its attempt counts; without our count it would loop for ever.
        task_reject_on_worker_lost=True,
        task_acks_on_timeout=False,
        # A paid call is not stopped and made again because Redis was away for a moment.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # The file is the result.
        task_ignore_result=True,
        # No pickle in, no pickle out.
        accept_content=["json"],
        task_serializer="json",
        # Flower turns events on in the workers when it starts; without it they would be told to nobody, at a third
        # of what a short task costs.
        worker_send_task_events=False,
        task_track_started=True,
        # Each stage has limits of its own, below; these are for what is none.
        task_soft_time_limit=settings.page_seconds,
        task_time_limit=settings.longest_seconds,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A server that is full or cannot persist answers with an error: that must not end the worker either.
        broker_channel_error_retry=True,
        broker_transport_options={
            "global_keyprefix": Keys(settings.key_prefix).broker_prefix,
            "visibility_timeout": settings.longest_seconds + _VISIBILITY_MARGIN_SECONDS,
            # Whatever limits a message names, the worker sets its own.
            "page_limits": {name: (settings.hard_seconds(name), settings.soft_seconds(name)) for name in STAGES},
            **socket_options(settings.redis_url),
        },
        # One thread a process does the heavy work; a pool process is renewed before a leak can matter.
        worker_max_tasks_per_child=1000,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app

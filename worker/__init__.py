"""The Celery worker: takes page tasks from the queue, runs a stage, saves the output, hands over."""

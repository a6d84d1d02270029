"""Starting Celery and Python children safely: never with the working directory on their path."""

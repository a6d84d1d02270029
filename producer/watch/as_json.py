"""A scene as JSON, for `producer watch --once --json`."""

from typing import Any

from producer.watch.snapshot import Scene, StageFacts, Worker


def scene_json(scene: Scene) -> dict[str, Any]:
    """Return all that is known at one moment. Times are in seconds since the epoch, amounts in USD."""
    return {
        "at": scene.at,
        "under_way": scene.under_way,
        "stages": [_stage(stage) for stage in scene.stages],
        "more_stages": scene.more,
        "workers": [_worker(worker) for worker in scene.crew.workers],
        "workers_alive": scene.crew.alive,
        "slots": scene.crew.slots,
        "redis_problem": scene.broker_trouble or None,
        "storage_problem": scene.storage_trouble or None,
    }


def _stage(stage: StageFacts) -> dict[str, Any]:
    return {
        "scan_id": stage.scan_id,
        "title": stage.title,
        "stage": stage.stage,
        "status": stage.status,
        "under_way": stage.under_way,
        "total_pages": stage.total_pages,
        "completed": stage.completed,
        "waiting": stage.waiting,
        "quarantined": stage.quarantined,
        "in_flight_pages": None if stage.in_flight is None else list(stage.in_flight),
        "pages_per_second": stage.pages_per_second,
        "eta_seconds": stage.eta_seconds,
        "total_cost_usd": stage.cost_usd,
        "expected_cost_usd": stage.expected_usd,
        "error": stage.error or None,
    }


def _worker(worker: Worker) -> dict[str, Any]:
    tasks = [
        {"scan_id": task.scan_id, "stage": task.stage, "page": task.page, "since": task.since}
        for task in worker.tasks
    ]
    return {"name": worker.name, "tasks": tasks}

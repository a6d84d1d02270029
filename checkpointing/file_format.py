"""Reading the bytes of a checkpoint file, of this version or an older one."""

import contextlib
import json
from typing import Any

from pydantic import ValidationError

from checkpointing.checkpoint import CHECKPOINT_VERSION, Checkpoint

_OLDER_VERSIONS = {"1.0"}


class UnusableFileError(Exception):
    """The file is corrupt, of an unknown version, or of another book. The message tells which."""


def parse(raw: bytes, scan_id: str, stage: str, output_dir: str) -> tuple[Checkpoint, str | None]:
    """Return the checkpoint in a file, which must belong to this scan and stage, and its version if it is older.

    Older versions do not have `output_dir`, the name of the folder of the outputs: it is filled in.

    Raises:
        UnusableFileError: the file cannot be used.
    """
    with contextlib.suppress(ValidationError, RecursionError):
        checkpoint = Checkpoint.model_validate_json(raw)
        if (checkpoint.version, checkpoint.scan_id, checkpoint.stage) == (CHECKPOINT_VERSION, scan_id, stage):
            return checkpoint, None
    # Slower: an older version, or a file that cannot be used, with the reason.
    data = _json_object(raw)
    version = data.get("version")
    is_older = isinstance(version, str) and version in _OLDER_VERSIONS
    if not is_older and version != CHECKPOINT_VERSION:
        raise UnusableFileError(f"its version is {version!r}, this Leafmark reads {CHECKPOINT_VERSION!r}")
    if is_older:
        data = _upgraded({"output_dir": output_dir, **data})
    for field, expected in (("scan_id", scan_id), ("stage", stage)):
        if data.get(field) != expected:
            raise UnusableFileError(f"it belongs to {field} {data.get(field)!r}, not {expected!r}")
    try:
        checkpoint = Checkpoint.model_validate_json(json.dumps(data) if is_older else raw)
    except (ValidationError, RecursionError):
        raise UnusableFileError("its fields do not match the format") from None
    return checkpoint, version if is_older else None


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        raise UnusableFileError("it is not whole JSON") from None
    if not isinstance(data, dict):
        raise UnusableFileError("it is not a JSON object")
    return data


def _upgraded(data: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint of version 1.0 in the form of this version.

    While a stage ran, Scanshelf kept the estimated cost in `costs.total_usd`, page by page; at its end it wrote the
    real cost to `metadata.total_cost_usd`.
    """
    metadata, costs = data.get("metadata"), data.get("costs")
    if isinstance(metadata, dict) and isinstance(costs, dict) and not metadata.get("total_cost_usd"):
        data = {**data, "metadata": {**metadata, "total_cost_usd": costs.get("total_usd", 0.0)}}
    return {**data, "version": CHECKPOINT_VERSION}

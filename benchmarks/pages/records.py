"""Records of a measurement, one a line of a file, so that an interrupted measurement can be continued."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

from benchmarks.pages.tasks import Record, Task
from checkpointing.errors import InputError

_PROJECT = Path(__file__).parents[2]


class Records:
    """What has been measured.

    Args:
        path: of the file; None keeps the records in memory only.
        version: of the code that measures.

    Raises:
        InputError: the file has records of another version.
    """

    def __init__(self, path: Path | None, version: str) -> None:
        self._path = path
        self._records: dict[Task, Record] = {}
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        # A measurement that was killed may have left half a record.
        *lines, torn = text.split("\n")
        if torn:
            path.write_text(text.removesuffix(torn), encoding="utf-8")
        if not lines:
            path.write_text(json.dumps({"version": version}) + "\n", encoding="utf-8")
        elif (found := json.loads(lines[0])["version"]) != version:
            hint = "name another file, or remove it"
            raise InputError(f"{path} has records of version {found}, not of {version}", hint=hint)
        for line in lines[1:]:
            record = json.loads(line)
            self._records[Task(record["kind"], record["seed"])] = record

    def missing(self, tasks: Iterable[Task]) -> list[Task]:
        """Return the tasks without a record."""
        return [task for task in tasks if task not in self._records]

    def add(self, record: Record) -> None:
        """Keep a record."""
        self._records[Task(record["kind"], record["seed"])] = record
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def of(self, tasks: Iterable[Task]) -> list[Record]:
        """Return the records of tasks, in their order."""
        return [self._records[task] for task in tasks]


def version_of_code() -> str:
    """Return the commit of the project, with `-dirty` where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(command, cwd=_PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"

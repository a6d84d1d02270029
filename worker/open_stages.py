"""Which stages of which scans have work under way: one empty file each, on shared storage.

Kept on storage and not in Redis, so that a flushed Redis can be healed without anyone's help; and in one folder,
so that finding them does not mean looking into a hundred thousand scans.
"""

from pathlib import Path

from checkpointing.atomic import make_folder

OWN_FOLDER = ".leafmark"


class OpenStages:
    """The list of open stages of one storage root."""

    def __init__(self, root: Path) -> None:
        self._folder = root / OWN_FOLDER / "open"

    def add(self, scan_id: str, stage: str) -> None:
        """Note that work is under way. Before the first page is enqueued.

        Raises:
            OSError: the storage failed.
        """
        make_folder(self._folder)
        self._path(scan_id, stage).touch()

    def remove(self, scan_id: str, stage: str) -> None:
        """Note that nothing is left to do.

        Raises:
            OSError: the storage failed.
        """
        self._path(scan_id, stage).unlink(missing_ok=True)

    def all(self) -> list[tuple[str, str]]:
        """Scan id and stage of each, sorted.

        Raises:
            OSError: the storage failed.
        """
        if not self._folder.is_dir():
            return []
        pairs = (path.name.rpartition("@") for path in self._folder.iterdir())
        return sorted((scan_id, stage) for scan_id, _, stage in pairs if scan_id)

    def _path(self, scan_id: str, stage: str) -> Path:
        return self._folder / f"{scan_id}@{stage}"

"""An operation that is interrupted at every point, and what must hold whenever it is interrupted."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from tests.crash.traced import Report


class Scene(ABC):
    """One operation, the state it starts from, and what must hold.

    Args:
        folder: everything stands below it.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "book_scans"

    @abstractmethod
    def prepare(self) -> None:
        """Put everything back to what it was before the operation."""

    @abstractmethod
    def make(self) -> Callable[[], object]:
        """The operation, with objects of its own, as a process has them that has just started."""

    @abstractmethod
    def check_invariants(self) -> bool:
        """Insist on what must hold at any moment.

        Returns:
            Whether the operation has taken effect.
        """

    @abstractmethod
    def check_end(self) -> None:
        """Insist on the state after the operation was done, in however many attempts."""

    @abstractmethod
    def remove_orphans(self) -> list[Path]:
        """Clean up as the next start does."""

    def after_a_death(self) -> None:  # noqa: B027  # not every scene has an elsewhere
        """Wait until what the dead process has sent elsewhere has arrived."""

    def let_leases_run_out(self) -> None:  # noqa: B027  # not every scene has leases
        """Let so much time pass that whoever died or failed keeps nobody waiting."""

    def restart(self) -> None:
        """What happens after a death: clean up, and do it again."""
        assert len(self.remove_orphans()) <= 1
        assert self.temp_files() == []
        self.let_leases_run_out()
        self.make()()

    def temp_files(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if ".tmp" in path.name]


def ready(scene: Scene) -> Callable[[Report], None]:
    """Prepare a scene; returns what a traced process is to run. What is imported late is imported by then."""

    def run(report: Report) -> None:
        scene.make()()
        report("done")

    scene.prepare()
    scene.make()()
    scene.prepare()
    return run

"""The save of a page's output."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.crash.scene import Scene
from tests.unit.conftest import Book, Leaf

OLD = Leaf(page_number=1, text="as it was " * 300)
NEW = Leaf(page_number=1, text="as it is now " * 550)


class PageSave(Scene):
    """`OutputFolder.save` of page 1.

    Args:
        folder: everything stands below it.
        old: what stands there before; None for nothing, not even the folder.
    """

    def __init__(self, folder: Path, old: Leaf | None) -> None:
        super().__init__(folder)
        self._old = old
        self._book = Book(self.root)

    def prepare(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        self._book.path.mkdir(parents=True)
        if self._old:
            self._book.outputs.save(1, self._old)

    def make(self) -> Callable[[], object]:
        outputs = self._book.outputs
        return lambda: outputs.save(1, NEW)

    def check_invariants(self) -> bool:
        path = self._book.outputs.path_of(1)
        found = path.read_bytes() if path.exists() else None
        old = self._old.model_dump_json().encode() if self._old else None
        new = NEW.model_dump_json().encode()
        assert found in {old, new}, "the output is half-written"
        assert found is None or self._book.outputs.check(1).valid
        assert self._book.outputs.pages() == ({1} if found else set())
        return found == new

    def remove_orphans(self) -> list[Path]:
        return self._book.outputs.remove_orphans()

    def check_end(self) -> None:
        assert self.check_invariants()
        assert [path.name for path in self._book.outputs.path.iterdir()] == ["page_0001.json"]

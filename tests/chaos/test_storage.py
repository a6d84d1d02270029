import random
from pathlib import Path

import pytest

from chaos.storage import damage

CONTENT = bytes(range(256))


@pytest.mark.parametrize("how", ["truncate", "flip", "overwrite"])
@pytest.mark.parametrize("seed", range(20))
def test_damage_changes_the_content_in_its_place(tmp_path: Path, how: str, seed: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    inode = path.stat().st_ino
    damage(path, how, random.Random(seed))
    assert path.read_bytes() != CONTENT
    assert path.stat().st_ino == inode


def test_a_flip_is_one_bit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    damage(path, "flip", random.Random(1))
    pairs = zip(CONTENT, path.read_bytes(), strict=True)
    assert sum((before ^ after).bit_count() for before, after in pairs) == 1


def test_deleted_is_gone_and_what_is_gone_or_empty_takes_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    damage(path, "flip", random.Random(1))
    damage(path, "delete", random.Random(1))
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        damage(path, "truncate", random.Random(1))

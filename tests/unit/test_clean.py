"""`make clean` removes what the demo made, and nothing of the user's."""

import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
BOOK = "the-rabbit-hole"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree in which the demo has been run."""
    shutil.copy(PROJECT / "Makefile", tmp_path)
    (tmp_path / "sample").mkdir()
    shutil.copy(PROJECT / "sample" / "clean.py", tmp_path / "sample")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "build" / "site").mkdir(parents=True)
    add_scan(tmp_path, BOOK, f"{BOOK}.pdf", b"%PDF the sample")
    (tmp_path / "demo" / f"{BOOK}.pdf").write_bytes(b"%PDF the sample")
    (tmp_path / "demo" / "scans" / ".leafmark" / "valkey").mkdir(parents=True)
    return tmp_path


def add_scan(tree: Path, scan_id: str, source: str, content: bytes) -> Path:
    scan = tree / "demo" / "scans" / scan_id
    (scan / "source").mkdir(parents=True)
    (scan / "source" / source).write_bytes(content)
    (scan / "ledger" / "correction").mkdir(parents=True)
    (scan / "ledger" / "correction" / "call.json").write_text("{}")
    return scan


def make_clean(tree: Path) -> str:
    done = subprocess.run(
        ["/usr/bin/env", "make", "clean"], cwd=tree, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_clean_removes_everything_that_the_demo_made(tree: Path) -> None:
    assert make_clean(tree) == ""
    assert sorted(path.name for path in tree.iterdir()) == ["Makefile", "build", "sample"]
    assert list((tree / "build").iterdir()) == []
    assert make_clean(tree) == ""


def test_clean_keeps_the_users_own_books_with_their_ledgers_and_names_them(tree: Path) -> None:
    book = add_scan(tree, "my-book", "my-book.pdf", b"%PDF mine")
    pdf = tree / "demo" / "my-book.pdf"
    pdf.write_bytes(b"%PDF mine")
    said = make_clean(tree)
    assert (book / "ledger" / "correction" / "call.json").is_file()
    assert (tree / "demo" / "scans" / ".leafmark" / "valkey").is_dir()
    assert pdf.is_file()
    assert not (tree / "demo" / "scans" / BOOK).exists()
    assert not (tree / "demo" / f"{BOOK}.pdf").exists()
    assert said.splitlines() == [
        "make clean: demo/scans/my-book was not made by the demo and stays",
        "make clean: demo/my-book.pdf was not made by the demo and stays",
    ]


@pytest.mark.parametrize("source", [f"{BOOK}.pdf", "other.pdf"])
def test_clean_keeps_another_book_under_the_name_of_the_samples(tree: Path, source: str) -> None:
    shutil.rmtree(tree / "demo" / "scans" / BOOK)
    book = add_scan(tree, BOOK, source, b"%PDF another")
    assert f"make clean: demo/scans/{BOOK} was not made by the demo and stays" in make_clean(tree)
    assert (book / "source" / source).is_file()


def test_clean_follows_no_link_out_of_the_demo(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("library")
    shutil.move(tree / "demo" / "scans" / BOOK, elsewhere / BOOK)
    (tree / "demo" / "scans" / BOOK).symlink_to(elsewhere / BOOK)
    make_clean(tree)
    assert (elsewhere / BOOK / "source" / f"{BOOK}.pdf").is_file()


def test_clean_deletes_no_storage_root_that_the_demos_folder_links_to(
    tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    library = tmp_path_factory.mktemp("library")
    (library / ".leafmark").mkdir()
    shutil.rmtree(tree / "demo" / "scans")
    (tree / "demo" / "scans").symlink_to(library)
    make_clean(tree)
    assert (library / ".leafmark").is_dir()

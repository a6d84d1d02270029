"""The documentation names files, functions and tests that exist."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGES = ("benchmarks", "chaos", "checkpointing", "docs_tools", "producer", "sample", "tests", "worker")
TIERS = tuple(path.name for path in (PROJECT / "tests").iterdir() if path.is_dir())
PAGES = [
    *(path for path in (PROJECT / "docs").rglob("*.md") if path.parent.name != "seed"),
    *(
        PROJECT / name
        for name in (
            "README.md",
            "CONTRIBUTING.md",
            "benchmarks/README.md",
            "chaos/README.md",
            "tests/model/README.md",
        )
    ),
]


def exists(name: str) -> bool:
    """Whether a file or folder of the project has this name; tests may be named from `tests/`."""
    return (PROJECT / name).exists() or (PROJECT / "tests" / name).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_file_that_is_named_exists(page: Path) -> None:
    first = "|".join((*PACKAGES, *TIERS))
    named = re.findall(rf"`((?:{first})/[\w./-]*?)(?:::\w+)?`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not exists(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_test_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", page.read_text(encoding="utf-8"))
    missing = [
        f"{file}::{test}"
        for file, test in named
        if f"def {test}(" not in (PROJECT / "tests" / file.removeprefix("tests/")).read_text(encoding="utf-8")
    ]
    assert missing == []


def test_the_functions_of_the_way_of_a_page_exist() -> None:
    steps = re.findall(r"\| `([\w.]+)` \| `([\w/]+\.py)` \|", (PROJECT / "docs" / "architecture.md").read_text())
    assert len(steps) > 10
    missing = [
        f"{function} in {file}"
        for function, file in steps
        if f"def {function.rpartition('.')[2]}(" not in (PROJECT / file).read_text(encoding="utf-8")
    ]
    assert missing == []


@pytest.mark.parametrize("package", ["checkpointing", "worker", "producer"])
def test_every_room_is_on_the_page_about_the_architecture(package: str) -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = [PROJECT / package, *(path.parent for path in (PROJECT / package).glob("*/__init__.py"))]
    names = [f"`{folder.relative_to(PROJECT)}/`" for folder in folders]
    assert [name for name in names if name not in page] == []

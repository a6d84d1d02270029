"""The blocks of docs/how-to/use-as-a-library.md, run word for word against a real broker and a worker."""

import re
import shutil
from pathlib import Path

import pytest

import checkpointing
import producer
from sample import small_page, write_image_folder
from tests.support.deployment import Deployment

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "use-as-a-library.md").read_text(encoding="utf-8")
FOLLOW, INGEST, PLAN, STATUS, ERROR = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def run(block: str) -> None:
    exec(compile(block, "use-as-a-library.md", "exec"), {})  # noqa: S102  # the blocks of the page are the subject


def test_blocks_of_the_page_do_what_it_says(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEAFMARK_REDIS_URL", deployment.environment["LEAFMARK_REDIS_URL"])
    monkeypatch.setenv("LEAFMARK_STORAGE_ROOT", deployment.environment["LEAFMARK_STORAGE_ROOT"])
    monkeypatch.chdir(tmp_path)
    shutil.copytree(write_image_folder(tmp_path / "images", [small_page(1), small_page(2)]), "moby-dick.pdf")

    run(INGEST)
    assert capsys.readouterr().out == "moby-dick\n"
    run(PLAN)
    assert capsys.readouterr().out == "[1, 2] 0\n"
    deployment.start_worker()
    run(FOLLOW)
    assert capsys.readouterr().out.endswith("2 of 2 pages complete\n")
    run(STATUS)
    assert capsys.readouterr().out == "completed 2 2 0\n"
    run(ERROR)
    assert capsys.readouterr().out.startswith("4 there is no scan 'no-such-book'")


@pytest.mark.parametrize("package", [producer, checkpointing])
def test_each_public_name_can_be_imported(package: object) -> None:
    for name in package.__all__:  # type: ignore[attr-defined]
        assert getattr(package, name).__doc__


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        producer.nothing  # noqa: B018  # the access is the subject

"""The documentation as a site: it builds without a warning, tells all, and loads nothing from another host."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import typer.main

from checkpointing.errors import LeafmarkError
from docs_tools.diagrams import without_mermaid
from producer.cli import app
from tests.support.browser import Complaints, browser_context
from tests.support.waiting import HANG_SECONDS
from worker.config.settings import Settings

PROJECT = Path(__file__).parents[2]
ASSETS = {"link": "href", "script": "src", "img": "src", "source": "src", "iframe": "src", "object": "data"}


def build(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Build the site as `make docs` does."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder), *options],
        cwd=PROJECT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class Assets(HTMLParser):
    """What a page makes a browser load by itself."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name == ASSETS.get(tag)]


def words_of(site: Path, page: str) -> str:
    """The text of a page, as a reader sees it."""
    return re.sub(r"<[^>]+>", "", (site / page / "index.html").read_text())


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    loaded = [asset for page in pages for asset in Assets(page).found]
    assert any(asset.endswith(".css") for asset in loaded)
    assert any(asset.endswith(".js") for asset in loaded)
    assert [asset for asset in loaded if re.match(r"(\w+:)?//", asset)] == []
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:\w+:)?//", styles) == []
    # The theme would fetch the script of mermaid for an element of this class.
    assert not any(re.search(r'class="[^"]*(?<![\w-])mermaid', page.read_text()) for page in pages)


class Headings(HTMLParser):
    """The levels of a page's headings, in order."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))


def test_every_page_has_one_title_and_skips_no_level_of_headings(site: Path) -> None:
    for page in site.rglob("index.html"):
        levels = Headings(page).levels
        assert levels.count(1) == 1, page
        assert all(below - above <= 1 for above, below in pairwise(levels)), (page, levels)


def test_the_search_dialog_of_every_page_has_a_name(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert re.search(r'role="dialog" aria-label="Search"', page.read_text()), page


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("width", [400, 1280])
def test_the_start_page_fits_its_window_and_shows_its_pictures(address: str, width: int) -> None:
    with browser_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        complaints, requested = Complaints(page), []
        page.on("request", lambda request: requested.append(request.url))
        page.goto(address, wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
        pictures = page.evaluate(
            "[...document.querySelectorAll('article img')].map(each => "
            "[each.complete && each.naturalWidth > 0, each.getBoundingClientRect().right <= innerWidth])"
        )
        assert pictures == [[True, True]] * 2
        assert {url for url in requested if not url.startswith(address)} == set()
        assert complaints.lines == []


def test_every_command_and_option_is_in_the_reference(site: Path) -> None:
    told = words_of(site, "reference/commands")
    group: Any = typer.main.get_command(app)
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        assert f"producer {name}" in told
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        assert [option for option in options if option not in told] == []


def test_every_setting_and_exit_code_is_in_the_reference(site: Path) -> None:
    settings, codes = words_of(site, "reference/settings"), words_of(site, "reference/exit-codes").split()
    assert [name for name in Settings.model_fields if f"LEAFMARK_{name.upper()}" not in settings] == []
    assert {str(kind.exit_code) for kind in (LeafmarkError, *LeafmarkError.__subclasses__())} <= set(codes)


def test_a_link_to_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[a page](no-such.md), [a place](#no-such)\n")
    ours = f"INHERIT: {PROJECT}/mkdocs.yml\nhooks: []\nnav: [index.md]\n"
    (tmp_path / "mkdocs.yml").write_text(ours)
    done = build(tmp_path / "site", "--config-file", str(tmp_path / "mkdocs.yml"))
    assert done.returncode == 1
    assert "no-such.md" in done.stderr
    assert "#no-such" in done.stderr


def test_a_sequence_diagram_becomes_steps() -> None:
    people = "    participant P as producer\n    participant R as Redis\n"
    diagram = f"sequenceDiagram\n{people}    P->>R: pages\n    R->>R: sleep\n"
    assert without_mermaid(f"before\n\n```mermaid\n{diagram}```\n") == (
        "before\n\n1. **producer** → **Redis**: pages\n1. **Redis**: sleep\n\n"
    )


@pytest.mark.parametrize("diagram", ["flowchart LR\n    a --> b\n", "sequenceDiagram\n    loop every day\n"])
def test_a_diagram_of_another_kind_is_refused(diagram: str) -> None:
    with pytest.raises(ValueError, match="diagram"):
        without_mermaid(f"```mermaid\n{diagram}```")

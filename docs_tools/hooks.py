"""The hook of mkdocs: adds the pages that are made from the code (they are nowhere on disk), and turns diagrams."""

import re
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs_tools.diagrams import without_mermaid
from docs_tools.pages import generated_pages

_LINK = re.compile(r"\[([^]]+)\]\((?!https?:)[^)]+\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by mkdocs once it knows the files of `docs/`."""
    for path, markdown in generated_pages().items():
        files.append(File.generated(config, path, content=markdown))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Called by mkdocs with each page, before it is rendered."""
    # The user's own words stand here as they are; what they link to was elsewhere.
    told = _LINK.sub(r"\1", markdown) if page.file.src_uri.startswith("seed/") else markdown
    return without_mermaid(told)

"""The hook of mkdocs: it writes diagrams as lists, and drops the links of pages that are quoted from elsewhere."""

import re
from typing import Any

from mkdocs.structure.pages import Page

from docs_tools.diagrams import without_mermaid

_LINK = re.compile(r"\[([^]]+)\]\((?!https?:)[^)]+\)")


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Return the Markdown of a page as mkdocs should render it."""
    # docs/seed is kept word for word; its links lead to files of another project.
    quoted = page.file.src_uri.startswith("seed/")
    return without_mermaid(_LINK.sub(r"\1", markdown) if quoted else markdown)

"""The hook of mkdocs: it writes diagrams as lists, drops the links of quoted pages, and names the search dialog."""

import re
from typing import Any

from mkdocs.structure.pages import Page

from docs_tools.diagrams import without_mermaid

_SEARCH = '<div class="md-search" data-md-component="search" role="dialog"'
_LINK = re.compile(r"\[([^]]+)\]\((?!https?:)[^)]+\)")


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Return the Markdown of a page as mkdocs should render it."""
    # docs/seed is kept word for word; its links lead to files of another project.
    quoted = page.file.src_uri.startswith("seed/")
    return without_mermaid(_LINK.sub(r"\1", markdown) if quoted else markdown)


def on_post_page(output: str, **_: Any) -> str:
    """Return the HTML of a page as it should be written."""
    return _with_named_search(output)


def on_post_template(output_content: str, template_name: str, **_: Any) -> str:
    """Return the content of a page that the theme brings, such as 404.html, as it should be written."""
    return _with_named_search(output_content) if template_name.endswith(".html") else output_content


def _with_named_search(html: str) -> str:
    """Give the theme's search dialog the name that a screen reader announces.

    Raises:
        ValueError: the theme has changed, and the dialog is not found.
    """
    if _SEARCH not in html:
        raise ValueError("the search dialog of the theme has another form: correct docs_tools/hooks.py")
    return html.replace(_SEARCH, f'{_SEARCH} aria-label="Search"')

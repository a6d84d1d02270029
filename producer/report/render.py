"""Render a report as one HTML file that loads nothing, and in which no text of a book is markup.

Jinja escapes every text except the style sheet and the script of this package, which contain nothing of a book. The
content security policy in the head names both by their hashes: a browser runs and applies nothing else, even if a
text escaped the escaping.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache, partial
from importlib import resources
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from checkpointing.money import dollars
from producer.page_ranges import show_pages
from producer.report import charts
from producer.report.limits import MAX_LISTED
from producer.report.model import BookReport, PageReport, Pictures
from worker.stages.chapters import Chapter
from worker.text.control_characters import clean_text

GENERATOR = "Leafmark report"
"""Marks a file as a report, in its head."""
_MOST_EXPENSIVE = 10
_NARROWEST, _WIDEST = 4, 12
"""Widths of a text for which the style sheet has a size of type, in tens of characters."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def render(report: BookReport) -> str:
    """Return the report as HTML."""
    style, script = (asset("producer.report", name) for name in ("report.css", "report.js"))
    html = (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            # Files of this package, without any text of a book.
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
            policy=policy(style, script),
            generator=GENERATOR,
            **_drawn(report),
        )
    )
    # Older outputs, and outputs edited by hand, may contain control characters.
    return clean_text(html)


@cache
def _environment() -> Environment:
    environment = templates_of("producer.report")
    environment.filters |= {
        "usd": dollars,
        "moment": _moment,
        "duration": _duration,
        "about": _about,
        "percent": _percent,
    }
    return environment


def _drawn(report: BookReport) -> dict[str, Any]:
    """Return what the templates need in addition to the report."""
    by_cost = sorted((page for page in report.pages if page.cost_usd), key=lambda page: -page.cost_usd)
    highest = by_cost[0].cost_usd if by_cost else 0.0
    return {
        "total_usd": sum(stage.cost_usd for stage in report.stages),
        "timeline": charts.timeline(report.stages),
        "bars": charts.cost_bars(report.stages, report.metadata.total_pages),
        "most_expensive": by_cost[:_MOST_EXPENSIVE],
        "legends": charts.legends(highest),
        "level": {
            "confidence": charts.confidence_level,
            "edits": charts.edits_level,
            "cost": partial(charts.cost_level, max_usd=highest),
        },
        "no_pictures": Pictures(),
        "chapters": list(_nested(report.structure.chapters if report.structure else ())),
        "states_seen": {state for page in report.pages for state in page.states.values()},
        "max_listed": MAX_LISTED,
        "badge": _badge,
        "fit": _fit,
        "show_pages": show_pages,
    }


def templates_of(package: str) -> Environment:
    """Return an environment with the templates of a package, which escapes every text."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def asset(package: str, name: str) -> str:
    """Return a file of a package's templates."""
    return resources.files(package).joinpath("templates", name).read_text(encoding="utf-8")


def policy(style: str, script: str | None = None) -> str:
    """Return the content security policy: embedded pictures, this style sheet and this script are allowed."""
    scripts = "" if script is None else f"script-src '{_hash(script)}'; "
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; {scripts}"
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _badge(page: PageReport) -> str:
    """Return the most urgent fact about a page in one word; empty if there is none."""
    if page.quarantined:
        return "quarantined"
    if page.problems:
        return "damaged"
    return "review" if page.reasons else ""


def _fit(page: PageReport) -> int:
    """Return the width that a page's text needs for its longest line, in tens of characters."""
    return min(max(_NARROWEST, -(-page.longest_line // 10)), _WIDEST)


def _nested(chapters: Iterable[Chapter]) -> Iterator[tuple[Chapter | None, list[Chapter]]]:
    """Yield each chapter of level 1 with its subchapters; None with the chapters before the first one."""
    parts = 0

    def part(chapter: Chapter) -> int:
        nonlocal parts
        parts += chapter.level == 1
        return parts

    for _, group in groupby(chapters, part):
        first, *others = group
        yield (first, others) if first.level == 1 else (None, [first, *others])


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _duration(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s"
    if seconds < _DAY:
        return f"{seconds // _HOUR:.0f} h {seconds % _HOUR / _MINUTE:.0f} min"
    return f"{seconds // _DAY:.0f} d {seconds % _DAY / _HOUR:.0f} h"


def _about(seconds: float) -> str:
    """Return a duration of minutes or more, rounded to one unit."""
    for unit, name in ((_DAY, "d"), (_HOUR, "h")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / _MINUTE:.0f} min"


def _percent(share: float) -> str:
    """Return a share from 0 to 1 in percent, rounded down, so that only 1 is 100 %."""
    return f"{int(share * 1000) / 10:g} %"

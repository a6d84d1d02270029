"""The report as one HTML file: nothing in it is fetched from anywhere, and nothing of a book is markup in it.

Every text goes through Jinja's escaping; the two pieces that do not are the style sheet and the script of this
package, which hold nothing of a book. The policy in the page's head names both by their hashes, so that a browser
would run and style nothing else, even if something had slipped through.
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
from producer.report import heat
from producer.report.bars import bars
from producer.report.charts import timeline
from producer.report.limits import MOST_LISTED
from producer.report.model import BookReport, PageReport, Pictures
from worker.stages.chapters import Chapter
from worker.text.control_characters import clean_text

GENERATOR = "Leafmark report"
"""Tells a file of ours from others: it stands in the head."""
_DEAREST = 10
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def render(report: BookReport) -> str:
    """The report as HTML."""
    style, script = _asset("report.css"), _asset("report.js")
    html = (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            # These two are ours, and are to be taken as they are.
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
            policy=_policy(style, script),
            generator=GENERATOR,
            **_drawn(report),
        )
    )
    # Older outputs, and what was changed by hand, may hold some.
    return clean_text(html)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("producer.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "usd": dollars,
        "moment": _moment,
        "duration": _duration,
        "about": _about,
        "percent": _percent,
    }
    return environment


def _drawn(report: BookReport) -> dict[str, Any]:
    """What the templates show beside the report itself."""
    costs = {page.number: page.cost_usd for page in report.pages}
    most = max(costs.values(), default=0.0)
    dearest = sorted((page for page in report.pages if page.cost_usd), key=lambda page: -page.cost_usd)[:_DEAREST]
    return {
        "total_usd": sum(stage.cost_usd for stage in report.stages),
        "seconds": sum(stage.seconds for stage in report.stages),
        "timeline": timeline(report.stages),
        "bars": bars(report.stages, report.metadata.total_pages),
        "dearest": dearest,
        "legends": heat.legends(most),
        "level": {
            "confidence": heat.confidence_level,
            "edits": heat.edits_level,
            "cost": partial(heat.cost_level, most_usd=most),
        },
        "no_pictures": Pictures(),
        "chapters": list(_nested(report.structure.chapters if report.structure else ())),
        "states_seen": {state for page in report.pages for state in page.states.values()},
        "most_listed": MOST_LISTED,
        "badge": _badge,
        "show_pages": show_pages,
    }


def _asset(name: str) -> str:
    return resources.files("producer.report").joinpath("templates", name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """What the page may do: show pictures that are in it, and use this one style sheet and script."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _badge(page: PageReport) -> str:
    """What a person should know first about a page, in a word; empty for nothing."""
    if page.quarantined:
        return "quarantined"
    if page.problems:
        return "damaged"
    return "review" if page.reasons else ""


def _nested(chapters: Iterable[Chapter]) -> Iterator[tuple[Chapter | None, list[Chapter]]]:
    """Chapters, each with those within it; without one those before the first."""
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
    """A duration of some minutes or more, in as few letters as can be."""
    for unit, name in ((_DAY, "d"), (_HOUR, "h")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / _MINUTE:.0f} min"


def _percent(share: float) -> str:
    """A share from 0 to 1; never rounded up to all of it."""
    return f"{int(share * 1000) / 10:g} %"

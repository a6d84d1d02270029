"""Metrics and labels that a PromQL expression names: enough of the language for our dashboard and alert rules."""

import re
from dataclasses import dataclass

from worker.telemetry.metrics.definitions import ALL, Definition

# What Prometheus adds to every series of ours, and to histograms.
TARGET_LABELS = {"job", "instance"}
_STRING = r'"(?:[^"\\]|\\.)*"'
_SELECTOR = re.compile(rf"\b(leafmark_\w+|up)\b\s*(?:\{{((?:[^}}\"]|{_STRING})*)\}})?")
_MATCHER = re.compile(rf"(\w+)\s*(=~|!~|!=|=)\s*({_STRING})")
_ADDED_UP = r"\b(?:sum|avg|count)\s*(?:by\s*\([^)]*\)\s*)?\(\s*"
# Grafana's $__interval is as short as a pixel is wide. A rate needs two samples.
_WINDOW = re.compile(r"\[([^\]]*)\]")
_ENOUGH = re.compile(r"[1-9]\d*[mh](:[1-9]\d*[smh]?)?|\$__rate_interval|\$__range")
_GROUPING = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Selector:
    """One series selector.

    Attributes:
        series: name of it.
        matchers: label, operator and value.
    """

    series: str
    matchers: list[tuple[str, str, str]]


def selectors(expression: str) -> list[Selector]:
    """The series that an expression reads."""
    return [
        Selector(found[1], [(label, how, value[1:-1]) for label, how, value in _MATCHER.findall(found[2] or "")])
        for found in _SELECTOR.finditer(expression)
    ]


def grouping_labels(expression: str) -> set[str]:
    """The labels that it groups or joins by."""
    return {label.strip() for inner in _GROUPING.findall(expression) for label in inner.split(",") if label.strip()}


def faults(expression: str, legend: str = "") -> list[str]:
    """What an expression, and the text that shows its labels, name that no worker shows."""
    found = selectors(expression)
    if not found:
        return ["it reads nothing of ours"]
    wrong: list[str] = []
    known: set[str] = set()
    for selector in found:
        definition = definition_of(selector.series)
        if selector.series != "up" and definition is None:
            wrong.append(f"there is no {selector.series}")
            continue
        if definition and definition.shared and re.search(rf"{_ADDED_UP}{selector.series}\b", expression):
            wrong.append(f"every worker says the same {selector.series}, and they are added up")
        labels = TARGET_LABELS | ({*definition.labels} if definition else set())
        labels |= {"le"} if selector.series.endswith("_bucket") else set()
        known |= labels
        for label, how, value in selector.matchers:
            if label not in labels:
                wrong.append(f"{selector.series} has no label {label}")
            elif definition and label in definition.values and how in {"=", "=~"}:
                strange = {*value.split("|" if how == "=~" else "\0")} - {*definition.values[label]}
                wrong += [f"{selector.series} has no {label} {each}" for each in sorted(strange)]
    wrong += [
        f"[{window}] may hold a single sample: take [$__rate_interval]"
        for window in _WINDOW.findall(expression)
        if not _ENOUGH.fullmatch(window)
    ]
    shown = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", legend))
    wrong += [f"nothing has the label {label}" for label in sorted((grouping_labels(expression) | shown) - known)]
    grouped = grouping_labels(expression)
    if grouped and shown - grouped:
        wrong.append(f"{sorted(shown - grouped)} are shown and were summed away")
    return wrong


def definition_of(series: str) -> Definition | None:
    """Whose series it is."""
    return next((each for each in ALL if series in each.series()), None)

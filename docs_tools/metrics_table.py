"""The tables in docs/reference/metrics.md, made from the definitions of the metrics and from the alert rules.

`python -m docs_tools.metrics_table` writes them between their marks; a test compares.
"""

import re
from pathlib import Path

from ruamel.yaml import YAML

from worker.telemetry.metrics.definitions import ALL, Definition

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "reference" / "metrics.md"
RULES = PROJECT / "deploy" / "prometheus" / "alerts.yml"


def metrics_table() -> str:
    """Return the table of metrics, one row each, in the order of the definitions."""
    rows = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    rows += [f"| `{each.name}` | {each.kind} | {_labels(each)} | {each.meaning} |" for each in ALL]
    return "\n".join(rows)


def alerts_table() -> str:
    """Return the table of alerts, one row each, in the order of the rules."""
    rows = ["| alert | severity | after | when |", "|---|---|---|---|"]
    for group in YAML(typ="safe").load(RULES)["groups"]:
        for rule in group["rules"]:
            when = re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"*\1*", rule["annotations"]["summary"])
            rows.append(f"| `{rule['alert']}` | {rule['labels']['severity']} | {rule['for']} | {when} |")
    return "\n".join(rows)


def in_the_page(text: str, table: str) -> str:
    """Return the text between the marks of a table.

    Raises:
        ValueError: a mark is missing.
    """
    begin, end = _marks(text, table)
    return text[begin:end].strip()


def _with_table(text: str, table: str, rows: str) -> str:
    begin, end = _marks(text, table)
    return f"{text[:begin]}\n\n{rows}\n\n{text[end:]}"


def _marks(text: str, table: str) -> tuple[int, int]:
    mark = f"<!-- {table} -->"
    return text.index(mark) + len(mark), text.index(f"<!-- /{table} -->")


def _labels(definition: Definition) -> str:
    shown = []
    for label in definition.labels:
        values = definition.values.get(label, ())
        shown.append(f"`{label}`: {', '.join(values)}" if values else f"`{label}`")
    return "; ".join(shown) or "none"


if __name__ == "__main__":
    page = _with_table(PAGE.read_text(encoding="utf-8"), "metrics", metrics_table())
    PAGE.write_text(_with_table(page, "alerts", alerts_table()), encoding="utf-8")

"""docs/reference/metrics.md says what workers show and what alerts there are."""

from docs_tools.metrics_table import PAGE, alerts_table, in_the_page, metrics_table

WRITE_IT_ANEW = "write it anew: python -m docs_tools.metrics_table"


def test_the_table_of_metrics_is_that_of_the_definitions() -> None:
    assert in_the_page(PAGE.read_text(), "metrics") == metrics_table(), WRITE_IT_ANEW


def test_the_table_of_alerts_is_that_of_the_rules() -> None:
    assert in_the_page(PAGE.read_text(), "alerts") == alerts_table(), WRITE_IT_ANEW

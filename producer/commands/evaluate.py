"""`producer evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from checkpointing.errors import NotMeasuredError
from checkpointing.refs import check_scan_id
from producer.commands.options import AnyStage, AsJson, Pages, ScanId
from producer.open_deployment import open_deployment
from producer.page_ranges import parse_pages
from producer.planning.request import check_pages
from producer.terminal.console import notes, print_json, results
from producer.terminal.progress import counting_on


def evaluate_command(
    scan_id: ScanId,
    truth: Annotated[
        Path,
        typer.Option(
            metavar="PATH",
            help="Known text: a folder with a file for each page, or one file. Text, PAGE-XML, ALTO or hOCR.",
        ),
    ],
    stage: AnyStage = None,
    pages: Pages = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write an HTML file with each page and its differences."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well pages were read, against their known text. Works while Redis is down.

    Prints character and word error rates, as read and normalised, the share of words found and of those in the
    right order, for each page and for the book with 95 % intervals, and what the stage took.
    docs/reference/evaluation.md defines the figures, and how files are matched with pages.

    Example: `producer evaluate moby-dick --truth transcription/ --html moby-dick-measured.html`

    Example: `producer evaluate moby-dick --truth page_0007.xml --stage correction --json`
    """
    from producer.evaluate.evaluate import evaluate
    from producer.evaluate.output import evaluation_json, evaluation_lines
    from producer.evaluate.readings import read_stages
    from producer.evaluate.truth.source import find_truth

    store = open_deployment().store
    metadata = store.metadata(check_scan_id(scan_id))
    only = None if pages is None else frozenset(check_pages(parse_pages(pages), metadata.total_pages))
    if html is not None:
        from producer.report.write import check_target

        check_target(html, "--html")
    stages = read_stages(store, metadata, stage)
    known = find_truth(truth, metadata.total_pages, only)
    found = evaluate(metadata, known, stages, only, counting_on(notes))
    for line in found.notes():
        notes.print(line)
    if html is not None:
        from producer.evaluate.page import render_evaluation
        from producer.report.write import write_report

        write_report(html, render_evaluation(store, metadata, found, known, stages, counting_on(notes)), "--html")
    if as_json:
        print_json(evaluation_json(found) | {"html": None if html is None else str(html)})
    else:
        for line in [*evaluation_lines(found), *([] if html is None else [str(html)])]:
            results.print(line)
    if missing := found.not_measured():
        raise NotMeasuredError(
            f"{scan_id}: pages with truth are not complete and not counted: {missing}",
            hint=f"`producer enqueue {scan_id}` processes them",
        )

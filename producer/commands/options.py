"""Arguments and options that several commands take."""

from typing import Annotated

import typer

from producer.commands import completion
from worker.ocr.engines.registry import ENGINES
from worker.stages.registry import STAGES

_STAGES = ", ".join(STAGES.all_names())
_ENGINES = " or ".join(ENGINES.all_names())

ScanId = Annotated[
    str,
    typer.Argument(
        metavar="SCAN_ID",
        help="Id of the scan; `producer status` lists them.",
        autocompletion=completion.scan_ids,
    ),
]
Stage = Annotated[
    str,
    typer.Option(
        metavar="STAGE", help=f"Stage of the pipeline to begin with: {_STAGES}.", autocompletion=completion.stages
    ),
]
Through = Annotated[
    str | None,
    typer.Option(
        metavar="STAGE",
        help="Go on to this stage: pages flow from one to the next.",
        autocompletion=completion.stages,
    ),
]
Budget = Annotated[
    float | None,
    typer.Option(min=0, metavar="USD", help="Most that the scan may cost, over all stages and runs; kept."),
]
AllowUnpriced = Annotated[
    bool, typer.Option("--allow-unpriced", help="Ask a model whose price nobody knows; its calls count as $0.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Pages = Annotated[
    str | None, typer.Option("--pages", metavar="PAGES", help="These pages only, such as 3,7-9; default all.")
]
AnyStage = Annotated[
    str | None,
    typer.Option(
        metavar="STAGE", help="This stage only; default all that have begun.", autocompletion=completion.stages
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="Show progress until the stage ends.")]
AllowDoubtful = Annotated[
    bool,
    typer.Option(
        "--allow-doubtful",
        help="End with exit code 0, and not 13, where every page is complete and the reading of some is doubtful.",
    ),
]
Dpi = Annotated[
    int | None,
    typer.Option(
        "--dpi",
        metavar="DPI",
        help="Minimum resolution at which PDF pages are rendered; default 300. A new book keeps it.",
    ),
]
Lang = Annotated[
    str | None,
    typer.Option("--lang", metavar="LANG", help="Language for Tesseract: eng, deu+eng. A new book keeps it."),
]
Engine = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME", help=f"OCR engine: {_ENGINES}. A new book keeps it."),
]
Title = Annotated[str | None, typer.Option(help="Title of the book; default the source's name.")]
NewScanId = Annotated[str | None, typer.Option("--scan-id", help="Id for the scan; default made from the name.")]
Password = Annotated[
    str | None,
    typer.Option(
        help="Password of an encrypted PDF; `-` reads it from standard input. Without it, a terminal is asked."
    ),
]

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
        help="Scan id; `producer status` lists them.",
        autocompletion=completion.scan_ids,
    ),
]
Stage = Annotated[
    str,
    typer.Option(metavar="STAGE", help=f"First stage to run: {_STAGES}.", autocompletion=completion.stages),
]
Through = Annotated[
    str | None,
    typer.Option(
        metavar="STAGE",
        help="Last stage to run. Default: only the first one.",
        autocompletion=completion.stages,
    ),
]
Budget = Annotated[
    float | None,
    typer.Option(
        min=0, metavar="USD", help="Maximum cost of the scan over all stages and runs. Recorded with the scan."
    ),
]
AllowUnpriced = Annotated[
    bool, typer.Option("--allow-unpriced", help="Allow a model without a known price; its calls count as $0.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Pages = Annotated[
    str | None, typer.Option("--pages", metavar="PAGES", help="Only these pages, such as 3,7-9. Default: all.")
]
AnyStage = Annotated[
    str | None,
    typer.Option(
        metavar="STAGE",
        help="Only this stage. Default: all stages that have begun.",
        autocompletion=completion.stages,
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="Show progress, and exit when the stage ends.")]
AllowDoubtful = Annotated[
    bool,
    typer.Option(
        "--allow-doubtful",
        help="Exit with 0 instead of 13 if all pages are complete but the text of some is doubtful.",
    ),
]
Dpi = Annotated[
    int | None, typer.Option(metavar="DPI", help="Minimum resolution for rendering PDF pages. Default: 300.")
]
Lang = Annotated[
    str | None,
    typer.Option(metavar="LANG", help="Languages, such as de,la, or as Tesseract names them, such as deu+lat."),
]
Typeface = Annotated[str | None, typer.Option(metavar="NAME", help="Typeface: antiqua (default) or fraktur.")]
Engine = Annotated[str | None, typer.Option(metavar="NAME", help=f"OCR engine: {_ENGINES}, or auto.")]
Rotate = Annotated[
    str | None,
    typer.Option(metavar="DEGREES", help="Turn pages clockwise: auto (default), off, 90, 180 or 270."),
]
Deskew = Annotated[
    str | None,
    typer.Option(
        metavar="DEGREES",
        help="Straighten pages: auto (default), off, or degrees by which lines fall to the right.",
    ),
]
Spreads = Annotated[
    str | None,
    typer.Option(
        "--spreads",
        metavar="HOW",
        help="Split pictures of two pages: auto (default), no, or yes where the fold is faint. Recorded.",
    ),
]
Crop = Annotated[
    str | None,
    typer.Option(
        metavar="PERCENT",
        help="Crop pages: auto (default), off, or percent off the left, top, right and bottom, such as 5,0,5,2.",
    ),
]
Title = Annotated[
    str | None, typer.Option(metavar="TITLE", help="Title of a new book. Default: the name of its source.")
]
NewScanId = Annotated[
    str | None,
    typer.Option(
        "--scan-id", metavar="ID", help="Scan id of a new book. Default: made from the name of its source."
    ),
]
Password = Annotated[
    str | None,
    typer.Option(
        metavar="PASSWORD",
        help="Password of an encrypted PDF; `-` reads it from standard input. Default: ask on a terminal.",
    ),
]

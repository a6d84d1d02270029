"""`producer enqueue`."""

from typing import Annotated

import typer

from checkpointing.refs import check_scan_id
from producer.commands import options
from producer.open_deployment import open_deployment
from producer.page_ranges import parse_pages
from producer.planning.request import Request
from producer.run.waiting import wait_for


def enqueue_command(
    scan_id: options.ScanId,
    stage: options.Stage = "ocr",
    through: options.Through = None,
    pages: options.Pages = None,
    start_page: Annotated[
        int, typer.Option(min=1, metavar="N", help="First page; for scripts, instead of --pages.")
    ] = 1,
    end_page: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Last page, inclusive. Default: the last of the book.")
    ] = None,
    no_resume: Annotated[
        bool, typer.Option("--no-resume", help="Process complete pages again too, and pay for them again.")
    ] = False,
    refresh_stale: Annotated[
        bool,
        typer.Option(
            "--refresh-stale",
            help="Process stale pages again. With --through, repeat the command when it is done: pages of later "
            "stages become stale only then.",
        ),
    ] = False,
    accept_stale: Annotated[
        bool, typer.Option("--accept-stale", help="Keep stale pages and count them as current.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show pages, expected cost and what blocks them; change nothing.")
    ] = False,
    dpi: options.Dpi = None,
    lang: options.Lang = None,
    typeface: options.Typeface = None,
    engine: options.Engine = None,
    rotate: options.Rotate = None,
    deskew: options.Deskew = None,
    crop: options.Crop = None,
    budget: options.Budget = None,
    allow_unpriced: options.AllowUnpriced = False,
    as_json: options.AsJson = False,
    wait: options.Wait = False,
    allow_doubtful: options.AllowDoubtful = False,
) -> None:
    """Enqueue the pages that still need work. Safe to repeat: only the remaining pages are enqueued.

    A complete page is stale when an earlier stage has processed it again, or when its profile, model or
    instructions have changed. Stale pages are listed with their cost so far and stay complete until you choose
    --refresh-stale or --accept-stale. Settings are compared as they are on this machine, not on the workers.

    --dpi, --lang, --typeface, --engine, --rotate, --deskew and --crop change the profile of the whole book first,
    as `producer profile --set` does.

    Example: `producer enqueue moby-dick --pages 1-50 --wait`

    Example: `producer enqueue moby-dick --through structure --budget 5.00`
    """
    from producer.ingest.profile_options import profile_from_options
    from producer.planning.carry_out import enqueue_all, show_plans
    from producer.planning.enqueue import requests_through
    from producer.planning.profile_before_enqueue import change_before_enqueue
    from producer.planning.spending import set_budget

    profile = profile_from_options(
        dpi=dpi, lang=lang, typeface=typeface, engine=engine, rotate=rotate, deskew=deskew, crop=crop
    )
    deployment = open_deployment()
    store = deployment.store
    first = Request(
        check_scan_id(scan_id),
        stage,
        start_page,
        end_page,
        only=frozenset() if pages is None else parse_pages(pages),
        resume=not no_resume,
        allow_unpriced=allow_unpriced,
        refresh_stale=refresh_stale,
        accept_stale=accept_stale,
    )
    requests = requests_through(store, first, through)
    if not profile.is_empty:
        store = change_before_enqueue(deployment, requests, profile, dry_run=dry_run)
    if dry_run:
        show_plans(store, deployment.queues, requests, as_json=as_json)
        return
    set_budget(deployment.store, scan_id, budget)
    plans = enqueue_all(deployment, requests, as_json=as_json)
    if wait:
        wait_for(deployment, plans, allow_doubtful=allow_doubtful)

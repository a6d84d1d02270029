"""Describe what an output is made from, and how; recorded in the output, and compared later to find stale pages."""

import hashlib
from contextlib import suppress

from checkpointing.errors import PageOutputError
from checkpointing.outputs import OutputFolder
from worker.pages.book_profile import NO_PROFILE, BookProfile
from worker.pages.metadata import PagePlace
from worker.stages.base import MadeFrom, Stage


def source_sha256(place: PagePlace) -> str:
    """Return a hash of what a page is rendered from: its file in `source/`, its place in that, and its half."""
    half = "" if place.half is None else f"#{place.half.side}@{place.half.gutter.key}"
    return hashlib.sha256(f"{place.file.sha256}#{place.place}{half}".encode()).hexdigest()


def describe(stage: Stage, inputs: dict[str, str], model: str = "", profile: BookProfile = NO_PROFILE) -> MadeFrom:
    """Return what an output of a stage is made from.

    `inputs` are hashes of what it reads, by the stage they come from, or `source`. The resolution of the profile is
    part of the recipe of a stage that reads the source; later stages notice a change by their inputs. The
    resolution of the settings is not part of any recipe.
    """
    dpi = "" if profile.dpi is None or stage.depends_on else f"{profile.dpi} dpi"
    recipe = "; ".join(part for part in (stage.recipe, dpi, model and f"model {model}") if part)
    return MadeFrom(inputs=inputs, stage_version=stage.version, recipe=recipe)


def made_from_of(outputs: OutputFolder, page: int) -> str:
    """Return the digest of what a page's output was made from; empty if the output has no record of it.

    Raises:
        OSError: the storage failed.
    """
    with suppress(PageOutputError, ValueError):
        said = outputs.load(page).get("made_from")
        return MadeFrom.model_validate(said).digest() if said else ""
    return ""

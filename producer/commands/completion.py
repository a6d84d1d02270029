"""The names that shells complete on Tab. The functions never fail and never print, as that would garble the prompt.

Each function imports what it needs, because the user waits for the imports at every Tab.
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import suppress

from checkpointing.errors import LeafmarkError

_MAX_NAMES = 100


def scan_ids(incomplete: str) -> list[str]:
    """Return ids of scans that begin so, sorted; only some of them if there are very many."""
    from worker.config.settings import load_settings

    found: list[str] = []
    with suppress(LeafmarkError, OSError, ValueError):
        root = load_settings(warn=bool).root
        # A look into each of a hundred thousand folders would take longer than anyone holds Tab for.
        with os.scandir(root) as entries:
            found += itertools.islice(_scans_among(entries, incomplete), _MAX_NAMES)
    return sorted(found)


def stages(incomplete: str) -> list[str]:
    """Return the stages that begin so, plug-ins included, which are not loaded for it."""
    from worker.stages.registry import STAGES

    return [name for name in STAGES.all_names() if name.startswith(incomplete)]


def setting_names(incomplete: str) -> list[str]:
    """Return the settings that begin so, with the equals sign."""
    from worker.config.settings import settings_class

    return [f"{name}=" for name in settings_class().model_fields if name.startswith(incomplete)]


def profile_fields(incomplete: str) -> list[str]:
    """Return the fields of a book's profile that begin so."""
    from worker.config.settings import PROFILE_SETTINGS

    return [name for name in PROFILE_SETTINGS if name.startswith(incomplete)]


def profile_pairs(incomplete: str) -> list[str]:
    """Return the fields of a book's profile that begin so, with the equals sign."""
    return [f"{name}=" for name in profile_fields(incomplete)]


def shells(incomplete: str) -> list[str]:
    """Return the shells that completion can be installed for and that begin so."""
    from producer.commands.shell_scripts import SHELLS

    return [name for name in SHELLS if name.startswith(incomplete)]


def areas(incomplete: str) -> list[str]:
    """Return what `producer doctor --only` takes, with the last name of a list completed."""
    from producer.doctor.check import Area

    before, comma, last = incomplete.rpartition(",")
    given = before.split(",")
    return [f"{before}{comma}{area}" for area in Area if area.startswith(last) and area not in given]


def _scans_among(entries: Iterator["os.DirEntry[str]"], incomplete: str) -> Iterator[str]:
    from checkpointing.refs import check_scan_id

    for entry in entries:
        with suppress(LeafmarkError, OSError):
            if entry.name.startswith(incomplete) and os.path.isfile(os.path.join(entry.path, "metadata.json")):  # noqa: PTH113, PTH118  # as the entry has it
                yield check_scan_id(entry.name)

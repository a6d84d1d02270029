"""The profile of a book as the options `--dpi`, `--lang` and `--engine` give it, and changes of it."""

from checkpointing.storage_errors import storage_errors
from producer.ingest.metadata_file import metadata_lock, read_form, write_form
from producer.setting_options import set_by_option
from producer.terminal.console import notes
from worker.config.settings import Settings, load_settings
from worker.pages.book_profile import BookProfile
from worker.pages.metadata import ScanMetadata
from worker.pages.scan import ScanFolder

OPTIONS = {"dpi": "dpi", "lang": "ocr_lang", "engine": "ocr_engine"}
"""The options, as fields of a profile, and the settings that they are checked by."""


def settings_with(dpi: int | None, lang: str | None, engine: str | None) -> tuple[Settings, BookProfile]:
    """Return the settings with these options in their place, and the profile that the options say.

    The processes that this one starts get the settings too.

    Raises:
        SettingsError: a setting, or an option, has a value that is not allowed.
    """
    given = {"dpi": dpi, "lang": lang, "engine": engine}
    for name, value in given.items():
        if value is not None:
            set_by_option(f"{OPTIONS[name]}={value}")
    lines: list[str] = []
    settings = load_settings(lines.append)
    for line in lines:
        # Whether a language that is given as an option has an effect depends on the book.
        if lang is None or line != settings.ignored_language:
            notes.print(f"leafmark: {line}")
    checked = {name: getattr(settings, OPTIONS[name]) for name, value in given.items() if value is not None}
    return settings, BookProfile(**checked)


def change_profile(scan: ScanFolder, wanted: BookProfile) -> ScanMetadata:
    """Have a scan's profile say what another one says, and keep the rest. Returns the metadata as it is then.

    Raises:
        InputError: the metadata is broken.
        CheckpointError: another process holds the metadata.
        StorageError: the storage failed.
    """
    with storage_errors(scan.path), metadata_lock(scan):
        profile = scan.read_metadata().profile
        changed = profile.changed_by(wanted)
        if changed != profile:
            form = read_form(scan)
            # What a newer version has added to the profile stays.
            form["profile"] = {**form.get("profile", {}), **changed.model_dump()}
            write_form(scan, form)
        return scan.read_metadata()


def language_without_effect(scan_id: str, settings: Settings, profile: BookProfile, lang: str | None) -> str:
    """Return one line where the language that an option gives has no effect for a scan; else nothing."""
    engine = profile.engine or settings.ocr_engine
    read_by = settings.model_copy(update={"ocr_engine": engine})
    if lang is None or not read_by.ignored_language:
        return ""
    return (
        f"{scan_id}: --lang {lang} has no effect, because the engine {engine} takes no notice of it; "
        "add --engine tesseract, which does"
    )


def options_recorded(profile: BookProfile, wanted: BookProfile) -> set[str]:
    """Return the names of the options that a scan's profile says already, with the same value."""
    said = profile.model_dump()
    return {name for name, value in wanted.model_dump().items() if said.get(name) == value}


def overruled(scan_id: str, profile: BookProfile, wanted: BookProfile) -> str:
    """Return one line where options do not count for a scan, because its profile says otherwise; else nothing."""
    said = profile.model_dump()
    against = {name: value for name, value in wanted.model_dump().items() if said.get(name, value) != value}
    if not against:
        return ""
    options = " ".join(f"--{name} {value}" for name, value in against.items())
    return (
        f"{scan_id} is read by its profile ({profile.words()}), which goes before {options}; "
        f"`producer ingest SOURCE {options}` changes it"
    )

"""The profile of a book as `--dpi`, `--lang`, `--typeface` and `--engine` give it, and changes of it."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from pydantic import ValidationError

from checkpointing.errors import CommandLineError
from checkpointing.storage_errors import storage_errors
from producer.ingest.metadata_file import metadata_lock, read_form, write_form
from producer.setting_options import set_by_option
from producer.terminal.console import notes
from worker.config.settings import Settings, load_settings
from worker.ocr.engines.languages import known_tags, unknown_tags
from worker.ocr.engines.registry import AUTO, check_engine, takes_language
from worker.pages.book_profile import BookProfile
from worker.pages.metadata import ScanMetadata
from worker.pages.scan import ScanFolder
from worker.stages.options import DEFAULT_LANGUAGE, DEFAULT_TYPEFACE

OPTIONS = {"dpi": "dpi", "lang": "ocr_lang", "typeface": "ocr_typeface", "engine": "ocr_engine"}
"""The options, as fields of a profile, and the settings that they are checked by."""


def settings_with(**given: str | int | None) -> tuple[Settings, BookProfile]:
    """Return the settings with options in their place, and the profile that the options say.

    The processes that this one starts get the settings too.

    Args:
        given: values by the names in `OPTIONS`; None for an option that is not given.

    Raises:
        SettingsError: a setting, or an option, has a value that is not allowed.
    """
    for name, value in given.items():
        if value is not None:
            set_by_option(f"{OPTIONS[name]}={value}")
    lines: list[str] = []
    settings = load_settings(lines.append)
    for line in lines:
        # Whether a language that is given as an option has an effect depends on the book.
        if given.get("lang") is None or line != settings.ignored_language:
            notes.print(f"leafmark: {line}")
    checked = {name: getattr(settings, OPTIONS[name]) for name, value in given.items() if value is not None}
    profile = BookProfile(**checked)
    check_tags(profile)
    return settings, profile


def check_tags(profile: BookProfile) -> None:
    """Check that the languages which are given as BCP 47 tags are known.

    Raises:
        CommandLineError: one is not.
    """
    unknown = unknown_tags(profile.lang or "")
    if unknown:
        raise CommandLineError(
            f"{unknown[0]!r} is not a language that an engine reads; the languages are {' '.join(known_tags())}",
            hint="or give the name of a data file of Tesseract",
        )


def parse_changes(pairs: Sequence[str], unset: Sequence[str]) -> tuple[BookProfile, frozenset[str]]:
    """Return the fields of a profile to set, and the names of those to remove.

    Args:
        pairs: such as `lang=de,la`.
        unset: names of fields.

    Raises:
        CommandLineError: a field does not exist, is named twice, or has a value that is not allowed.
    """
    split = [_name_and_value(pair) for pair in pairs]
    names = [*(name for name, _ in split), *unset]
    for name in names:
        if name not in OPTIONS:
            raise CommandLineError(f"a profile has no field {name!r}; its fields are {', '.join(OPTIONS)}")
        if names.count(name) > 1:
            raise CommandLineError(f"{name} is named twice; set or unset it once")
    given = dict(split)
    try:
        profile = BookProfile.model_validate(given)
    except ValidationError as error:
        [first, *_] = error.errors()
        name, message = str(first["loc"][0]), first["msg"].removeprefix("Value error, ")
        raise CommandLineError(f"--set {name}={given[name]}: {message}") from None
    try:
        check_engine(profile.engine or AUTO)
    except ValueError as error:
        raise CommandLineError(f"--set engine={profile.engine}: {error}") from None
    check_tags(profile)
    return profile, frozenset(unset)


def _name_and_value(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals:
        raise CommandLineError(f"--set {pair} has no value; write NAME=VALUE, such as lang=de")
    return name.strip(), value.strip()


def change_profile(scan: ScanFolder, wanted: BookProfile, unset: AbstractSet[str] = frozenset()) -> ScanMetadata:
    """Set fields of a scan's profile, remove others, and keep the rest. Return the metadata as it is then.

    Args:
        scan: the folder of the scan.
        wanted: the fields to set.
        unset: the names of the fields to remove.

    Raises:
        InputError: the metadata is broken.
        CheckpointError: another process holds the metadata.
        StorageError: the storage failed.
    """
    with storage_errors(scan.path), metadata_lock(scan):
        profile = scan.read_metadata().profile
        changed = profile.changed_by(wanted).model_copy(update=dict.fromkeys(unset))
        if changed != profile:
            form = read_form(scan)
            # What a newer version has added to the profile stays.
            kept = {name: value for name, value in form.get("profile", {}).items() if name not in unset}
            form["profile"] = {**kept, **changed.model_dump()}
            if not form["profile"]:
                del form["profile"]
            write_form(scan, form)
        return scan.read_metadata()


def record_defaults(scan: ScanFolder, metadata: ScanMetadata, defaults: BookProfile) -> ScanMetadata:
    """Record what the settings say for a book without a profile; return the metadata as it is then.

    Raises:
        InputError: the metadata is broken.
        CheckpointError: another process holds the metadata.
        StorageError: the storage failed.
    """
    if metadata.defaults == defaults:
        return metadata
    with storage_errors(scan.path), metadata_lock(scan):
        form = read_form(scan)
        form["defaults"] = defaults.model_dump()
        write_form(scan, form)
        return scan.read_metadata()


def options_without_effect(scan_id: str, settings: Settings, profile: BookProfile, wanted: BookProfile) -> str:
    """Return one line where language or typeface, given as options, have no effect for a scan; else nothing."""
    engine = profile.engine or settings.ocr_engine
    given = {"lang": wanted.lang, "typeface": wanted.typeface}
    usual = {None, DEFAULT_LANGUAGE, DEFAULT_TYPEFACE}
    options = " ".join(f"--{name} {value}" for name, value in given.items() if value not in usual)
    if not options or takes_language(engine):
        return ""
    return (
        f"{scan_id}: {options} has no effect, because the engine {engine} takes no notice of it; "
        "add --engine tesseract, which does, or --engine auto"
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

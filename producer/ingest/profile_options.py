"""The profile of a book as options such as `--lang` and `--rotate`, or `--set` and `--unset`, give it."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from pydantic import ValidationError

from checkpointing.errors import CommandLineError
from producer.page_ranges import show_ranges
from producer.setting_options import set_by_option
from producer.terminal.console import notes
from worker.config.settings import PROFILE_SETTINGS, Settings, load_settings
from worker.ocr.engines.languages import known_tags, unknown_tags
from worker.ocr.engines.registry import AUTO, check_engine, takes_language
from worker.pages.book_profile import BookProfile
from worker.pages.geometry.settings import AUTO as SPREADS_BY_DEFAULT
from worker.pages.metadata import ScanMetadata
from worker.stages.options import DEFAULT_LANGUAGE, DEFAULT_TYPEFACE


def settings_with(**given: str | int | None) -> tuple[Settings, BookProfile]:
    """Return the settings with options in their place, and the profile that the options say.

    The processes that this one starts get the settings too.

    Args:
        given: values by the names in `PROFILE_SETTINGS`; None for an option that is not given.

    Raises:
        SettingsError: a setting, or an option, has a value that is not allowed.
    """
    for name, value in given.items():
        if value is not None:
            set_by_option(f"{PROFILE_SETTINGS[name]}={value}")
    lines: list[str] = []
    settings = load_settings(lines.append)
    for line in lines:
        # Whether a language that is given as an option has an effect depends on the book.
        if given.get("lang") is None or line != settings.ignored_language:
            notes.print(f"leafmark: {line}")
    names = [name for name, value in given.items() if value is not None]
    checked = {name: getattr(settings, PROFILE_SETTINGS[name]) for name in names}
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
        if name == "spreads":
            raise CommandLineError("spreads decide how many pages a book has", hint="use `producer spreads`")
        if name not in PROFILE_SETTINGS:
            raise CommandLineError(f"a profile has no field {name!r}; its fields are {', '.join(PROFILE_SETTINGS)}")
        if names.count(name) > 1:
            raise CommandLineError(f"{name} is named twice; set or unset it once")
    given = dict(split)
    return _check(given, lambda name: f"--set {name}={given[name]}"), frozenset(unset)


def profile_from_options(**given: str | int | None) -> BookProfile:
    """Return the profile that options give; unlike `settings_with` it changes no setting of this process.

    Args:
        given: values by the names in `PROFILE_SETTINGS`; None for an option that is not given.

    Raises:
        CommandLineError: an option has a value that is not allowed.
    """
    named = {name: value for name, value in given.items() if value is not None}
    return _check(named, lambda name: f"--{name} {named[name]}")


def _check(given: Mapping[str, object], option: Callable[[str], str]) -> BookProfile:
    """Return a profile; `option` returns a field as it was given, for messages."""
    try:
        profile = BookProfile.model_validate(given)
    except ValidationError as error:
        [first, *_] = error.errors()
        message = first["msg"].removeprefix("Value error, ")
        raise CommandLineError(f"{option(str(first['loc'][0]))}: {message}") from None
    try:
        check_engine(profile.engine or AUTO)
    except ValueError as error:
        raise CommandLineError(f"{option('engine')}: {error}") from None
    check_tags(profile)
    return profile


def _name_and_value(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals:
        raise CommandLineError(f"--set {pair} has no value; write NAME=VALUE, such as lang=de")
    return name.strip(), value.strip()


def options_without_effect(metadata: ScanMetadata, settings: Settings, wanted: BookProfile) -> str:
    """Return one line where language or typeface, given as options, have no effect for a scan; else nothing."""
    engines = {profile.engine or settings.ocr_engine for profile in metadata.profiles()}
    given = {"lang": wanted.lang, "typeface": wanted.typeface}
    usual = {None, DEFAULT_LANGUAGE, DEFAULT_TYPEFACE}
    options = " ".join(f"--{name} {value}" for name, value in given.items() if value not in usual)
    if not options or any(map(takes_language, engines)):
        return ""
    return (
        f"{metadata.scan_id}: {options} has no effect, because the engine {' or '.join(sorted(engines))} takes no "
        "notice of it; add --engine tesseract, which does, or --engine auto"
    )


def spreads_without_effect(metadata: ScanMetadata, wanted: BookProfile) -> str:
    """Return one line where spreads are given as an option for a scan that exists and has others; else nothing."""
    if wanted.spreads is None or wanted.spreads == (metadata.profile.spreads or SPREADS_BY_DEFAULT):
        return ""
    return (
        f"{metadata.scan_id}: --spreads {wanted.spreads} applies to new books; "
        f"`producer spreads {metadata.scan_id} --set {wanted.spreads}` changes this one"
    )


def options_recorded(profile: BookProfile, wanted: BookProfile) -> set[str]:
    """Return the names of the options that a scan's profile says already, with the same value."""
    said = profile.model_dump()
    return {name for name, value in wanted.model_dump().items() if said.get(name) == value}


def overruled(metadata: ScanMetadata, wanted: BookProfile) -> Iterator[str]:
    """Yield one line where options do not count for a scan, or for some pages, because of their profiles."""
    scan_id, profile = metadata.scan_id, metadata.profile
    if options := _against(profile, wanted):
        yield (
            f"{scan_id} is read by its profile ({profile.words()}), which goes before {options}; "
            f"`producer ingest SOURCE {options}` changes it"
        )
    for each in metadata.page_profiles:
        if options := _against(each.profile, wanted):
            yield (
                f"the pages {show_ranges(each.pages)} of {scan_id} are read by their own profile "
                f"({each.profile.words()}), which goes before {options}; `producer profile {scan_id}` shows it"
            )


def _against(profile: BookProfile, wanted: BookProfile) -> str:
    """Return the options to which a profile has other values."""
    said = profile.model_dump()
    against = {name: value for name, value in wanted.model_dump().items() if said.get(name, value) != value}
    return " ".join(f"--{name} {value}" for name, value in against.items())

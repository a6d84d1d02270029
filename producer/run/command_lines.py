"""The command lines that a command prints for the user to paste: to continue, or to watch again."""

import os
import shlex
from collections.abc import Collection, Iterator, Sequence

import typer

from producer.page_ranges import runs
from producer.planning.request import Plan
from producer.program import program_name
from producer.setting_options import set_by_options
from worker.config.setting_sources import masked
from worker.config.settings import ENV_PREFIX

_FIRST_STAGE = "ocr"


def command_again(context: typer.Context, arguments: Sequence[str], drop: Collection[str] = ()) -> str:
    """Return a command line that continues a command with other arguments, quoted for a shell.

    The options whose names are in `drop` are left out.
    """
    options: list[str] = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        is_option = parameter.param_type_name == "option"
        if is_option and parameter.name not in drop and source is not None and source.name == "COMMANDLINE":
            options += _option(parameter.opts, context.params[parameter.name or ""])
    # After `--` if an argument could be taken for an option.
    protected = any(argument.startswith("-") for argument in arguments)
    words = [*options, "--", *arguments] if protected else [*arguments, *options]
    settings = (context.parent.params.get("settings") if context.parent else None) or []
    return _line(dict(pair.partition("=")[::2] for pair in settings), [str(context.info_name), *words])


def watch_again(plans: Sequence[Plan], *, allow_doubtful: bool) -> str:
    """Return a command line that watches plans again until they are done, and changes nothing, quoted for a shell.

    The plans are all of one scan, in pipeline order.
    """
    first, last = plans[0], plans[-1]
    words = ["enqueue", first.scan_id]
    if first.stage != _FIRST_STAGE:
        words += ["--stage", first.stage]
    if last.stage != first.stage:
        words += ["--through", last.stage]
    if len(first.wanted) != first.total_pages:
        words += ["--pages", ",".join(f"{a}-{b}" if a != b else f"{a}" for a, b in runs(first.wanted))]
    words += ["--wait", *(["--allow-doubtful"] if allow_doubtful else [])]
    return _line({name: os.environ[f"{ENV_PREFIX}{name.upper()}"] for name in set_by_options()}, words)


def _line(settings: dict[str, str], words: Sequence[str]) -> str:
    """Return the command line, with a second line that names omitted secrets."""
    secret = [name for name, value in settings.items() if masked(_plain(name), value) != value]
    pairs = [f"{name}={value}" for name, value in settings.items() if name not in secret]
    shown = [word for pair in pairs for word in ("--set", pair)]
    note = f"\nAdd what is not shown here: {' '.join(f'--set {name}=...' for name in secret)}" if secret else ""
    return f"{shlex.join([program_name(), *shown, *words])}{note}"


def _plain(name: str) -> str:
    return name.strip().lower().removeprefix(ENV_PREFIX.lower())


def _option(names: Sequence[str], value: object) -> Iterator[str]:
    name = max(names, key=len)
    values = value if isinstance(value, list | tuple) else [value]
    for each in values:
        yield name
        if each is not True:
            yield str(each)

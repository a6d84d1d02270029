"""The group of commands for Typer: a module is imported when its command is used, but not to list or complete it.

A wrong command line ends with one line on stderr and exit code 2.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from producer.commands.shell_scripts import with_shell
from worker.text.suggestions import closest

MARKUP: Literal["markdown"] = "markdown"
# Typer raises it, but exports only its subclasses.
_UsageError: Any = typer.BadParameter.__bases__[0]


def help_markup() -> Literal["markdown"] | None:
    """Return the layout of help: boxes on a terminal, plain text in a pipe or with `NO_COLOR`."""
    return MARKUP if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else None


class Listed(NamedTuple):
    """What the list of commands needs of a command that is not imported.

    Attributes:
        summary: the first line of the function's docstring.
        module: in `producer.commands`; empty if it is named like the command.
        context: settings of the command's context.
    """

    summary: str
    module: str = ""
    context: Mapping[str, Any] = MappingProxyType({})


class LazyGroup(TyperGroup):
    """Imports a command when it runs, or when its own options are shown or completed.

    The command `replace-page` is the function `replace_page_command` in `producer.commands.replace_page`.
    """

    listed: ClassVar[Mapping[str, Listed]] = {}
    """The commands by name, in the order of the help."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._lists = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  # click passes it
        """Return all names, in the order of the help."""
        return list(self.listed)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  # click passes it
        """Return the command of that name; None if there is none."""
        if cmd_name not in self.listed:
            return None
        if self._lists:
            return TyperCommand(cmd_name, help=self.listed[cmd_name].summary, rich_markup_mode=MARKUP)
        if cmd_name not in self.commands:
            self.commands[cmd_name] = _load(cmd_name, self.listed[cmd_name])
        return self.commands[cmd_name]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options before the command's name."""
        return super().parse_args(ctx, with_shell(args))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command named by the first argument.

        Raises:
            UsageError: there is no such command; the message suggests a similar one.
        """
        name = args[0]
        if name not in self.listed and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"there is no command {name!r}{_meant(name, self.listed)}")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing them."""
        self.rich_markup_mode = help_markup()
        with self._listing():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Offer the commands without importing them."""
        with self._listing():
            return super().shell_complete(ctx, incomplete)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; print one line if it is wrong."""
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except _UsageError as error:
            if not standalone_mode:
                raise
            _give_up(error)
        if standalone_mode:
            sys.exit(code if isinstance(code, int) else 0)
        return code

    @contextmanager
    def _listing(self) -> Iterator[None]:
        self._lists = True
        try:
            yield
        finally:
            self._lists = False


def _load(name: str, listed: Listed) -> Any:
    plain = name.replace("-", "_")
    module = import_module(f"producer.commands.{listed.module or plain}")
    app = typer.Typer(add_completion=False, rich_markup_mode=help_markup())
    app.command(name, context_settings=dict(listed.context))(getattr(module, f"{plain}_command"))
    return get_command(app)


def _give_up(error: Any) -> NoReturn:
    """Print what is wrong with the command line, or the help for an empty one, and exit."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        command = "producer" if error.ctx is None else error.ctx.command_path
        what = _in_words(error).rstrip(".")
        usage = "" if error.ctx is None else f" ({' '.join(error.ctx.get_usage().split())})"
        sys.stderr.write(f"{command}: {what[:1].lower()}{what[1:]}{usage}; see `{command} --help`\n")
    sys.exit(error.exit_code)


def _in_words(error: Any) -> str:
    name = getattr(error, "option_name", None)
    if name is None or error.ctx is None or not hasattr(error, "possibilities"):
        return str(error.format_message())
    options = [each for parameter in error.ctx.command.params for each in parameter.opts]
    return f"there is no option {name}{_meant(name, options)}"


def _meant(name: str, known: Iterable[str]) -> str:
    close = closest(name, known)
    return f" (did you mean {close}?)" if close else ""

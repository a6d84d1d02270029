"""The options before the name of a command: `producer --version`, `producer --set dpi=400 run book.pdf`."""

from typing import Annotated

import typer

from producer.commands import completion, shell_scripts


def _show(wanted: bool) -> None:
    if wanted:
        from producer.terminal.console import results
        from worker.launch.package_versions import package_version

        results.print(f"leafmark {package_version('leafmark')}")
        raise typer.Exit


def main_options(
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Override a setting for this command, such as --set dpi=400. May be repeated.",
            autocompletion=completion.setting_names,
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show, is_eager=True)
    ] = False,
    install_completion: Annotated[
        str | None,
        typer.Option(
            "--install-completion",
            metavar="[SHELL]",
            help="Install completion for bash, zsh, fish or pwsh and exit. Default: the current shell.",
            callback=shell_scripts.install_completion,
            autocompletion=completion.shells,
            is_eager=True,
        ),
    ] = None,
    show_completion: Annotated[
        str | None,
        typer.Option(
            "--show-completion",
            metavar="[SHELL]",
            help="Print the script that --install-completion installs, and exit.",
            callback=shell_scripts.show_completion,
            autocompletion=completion.shells,
            is_eager=True,
        ),
    ] = None,
) -> None:
    """Apply the settings given before a command.

    Raises:
        typer.BadParameter: a setting does not exist.
    """
    del version, install_completion, show_completion
    if settings:
        from producer.setting_options import set_by_option
    for pair in settings or []:
        try:
            set_by_option(pair)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="'--set'") from None

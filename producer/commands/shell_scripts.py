"""`--install-completion` and `--show-completion`: the scripts with which a shell asks `producer` on Tab.

Typer's own scripts serve bash, fish and PowerShell. The one for zsh is this module's: Typer's only defines a
function when zsh loads it, so that the first Tab in each new shell completes nothing, and it loses apostrophes.
"""

from collections.abc import Sequence

import shellingham
import typer
from typer._completion_shared import get_completion_script, install

from producer.program import PROGRAMS

SWITCHES = ("--install-completion", "--show-completion")
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")

# zsh gets the lines that fish gets (value, tab, description): nothing in them has to be quoted for `eval`.
_ZSH = r"""#compdef PROGRAM

_PROGRAM_completion() {
  local line value description
  local -a offered
  for line in "${(@f)$(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" \
      _TYPER_COMPLETE_FISH_ACTION=get-args VARIABLE=complete_fish PROGRAM)}"; do
    value=${line%%$'\t'*}
    description=${${(M)line%%$'\t'*}#$'\t'}
    [[ -z $value ]] || offered+=("${value//:/\\:}${description:+:$description}")
  done
  if (( $#offered )); then
    _describe -V 'PROGRAM' offered
  else
    _files
  fi
}

# zsh runs the whole file at the first Tab, in place of the function that it is to define.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _PROGRAM_completion "$@"
else
  compdef _PROGRAM_completion PROGRAM
fi
"""


def with_shell(arguments: Sequence[str]) -> list[str]:
    """Return a command line in which the two options have a value, for their shell may be left out."""
    match arguments:
        case [switch] if switch in SWITCHES:
            return [f"{switch}="]
        case [switch, following, *_] if switch in SWITCHES and following.startswith("-"):
            return [f"{switch}=", *arguments[1:]]
    return list(arguments)


def completion_script(shell: str, program: str) -> str:
    """Return the script with which a shell completes the command lines of a program."""
    variable = f"_{program.upper()}_COMPLETE"
    if shell == "zsh":
        return _ZSH.replace("PROGRAM", program).replace("VARIABLE", variable)
    return get_completion_script(prog_name=program, complete_var=variable, shell=shell)


def install_completion(value: str | None) -> None:
    """Install the scripts of both names of the program, and exit.

    Raises:
        typer.BadParameter: the shell is not supported.
        typer.Exit: after the installation.
    """
    if value is None:
        return
    shell = _checked(value)
    for program in PROGRAMS:
        _, path = install(shell=shell, prog_name=program)
        if shell == "zsh":
            path.write_text(completion_script(shell, program))
        typer.echo(f"{shell} completion of {program} installed in {path}")
    typer.echo("It takes effect in new shells.")
    raise typer.Exit


def show_completion(context: typer.Context, value: str | None) -> None:
    """Print the script of the program as it was called, and exit.

    Raises:
        typer.BadParameter: the shell is not supported.
        typer.Exit: after the script.
    """
    if value is None:
        return
    program = str(context.find_root().info_name)
    typer.echo(completion_script(_checked(value), program if program in PROGRAMS else PROGRAMS[0]).rstrip())
    raise typer.Exit


def _checked(value: str) -> str:
    """Return the name of a supported shell; for an empty value, that of the shell which started this command."""
    shell = value
    if not value:
        try:
            shell = shellingham.detect_shell()[0]
        except shellingham.ShellDetectionFailure:
            raise typer.BadParameter(f"the shell was not recognized; name it: {', '.join(SHELLS)}") from None
    if shell not in SHELLS:
        raise typer.BadParameter(f"{shell!r} is not supported; supported shells: {', '.join(SHELLS)}")
    return shell

"""What `--install-completion` and `--show-completion` write, for each shell and for both names of the program."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from producer.cli import app
from producer.commands import shell_scripts
from producer.commands.shell_scripts import completion_script, with_shell
from producer.program import PROGRAMS


@pytest.mark.parametrize("program", PROGRAMS)
def test_zsh_script_completes_in_the_call_that_loads_it(program: str) -> None:
    script = completion_script("zsh", program)
    assert script.startswith(f"#compdef {program}\n")
    assert f'if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n  _{program}_completion "$@"\nelse' in script


@pytest.mark.parametrize(
    ("shell", "files"),
    [
        ("zsh", [".zfunc/_producer", ".zfunc/_leafmark"]),
        ("bash", [".bash_completions/producer.sh", ".bash_completions/leafmark.sh"]),
        ("fish", [".config/fish/completions/producer.fish", ".config/fish/completions/leafmark.fish"]),
    ],
)
def test_both_names_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str, files: list[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["--install-completion", shell], prog_name="leafmark")
    assert done.exit_code == 0
    for program, file in zip(PROGRAMS, files, strict=True):
        assert (tmp_path / file).read_text().strip() == completion_script(shell, program).strip()
        assert str(tmp_path / file) in done.stdout


def test_the_script_of_a_named_shell_is_shown() -> None:
    shown = CliRunner().invoke(app, ["--show-completion", "zsh"], prog_name="leafmark")
    assert shown.stdout == completion_script("zsh", "leafmark")


def test_without_a_name_it_is_the_shell_that_started_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell_scripts.shellingham, "detect_shell", lambda: ("fish", "/usr/bin/fish"))
    shown = CliRunner().invoke(app, ["--show-completion"], prog_name="producer")
    assert shown.stdout.strip() == completion_script("fish", "producer")


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        app(["--show-completion", "tcsh"], prog_name="producer")
    assert "'tcsh' is not supported; supported shells: bash, zsh, fish" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["--show-completion"], ["--show-completion="]),
        (["--show-completion", "--version"], ["--show-completion=", "--version"]),
        (["--show-completion", "zsh"], ["--show-completion", "zsh"]),
        (["run", "--show-completion"], ["run", "--show-completion"]),
        ([], []),
    ],
)
def test_the_shell_may_be_left_out(given: list[str], read: list[str]) -> None:
    assert with_shell(given) == read

"""`python -m chaos --seconds 60 --seed 1 --workers 4`: random faults, then a verdict in one line of JSON.

Exit code 0: no violation. 1: violations; the history is kept. 130: interrupted.
"""

import argparse
import json
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from chaos.judge import Order, Result
from chaos.llm_mode import LlmMode
from chaos.mode import Mode
from chaos.processes import Warden, end_all, mark
from chaos.run import Run
from chaos.storage import enter_namespace

_INTERRUPTED = 130
_MODES = {mode.name: mode for mode in (Mode, LlmMode)}
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def main() -> int:
    """Run, judge, print and clean up; return the exit code."""
    arguments = _arguments()
    enter_namespace([*_replay(arguments), *(["--keep"] if arguments.keep else [])])
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="leafmark-chaos-"))
    token = mark()
    warden = Warden(token)
    order = Order(arguments.seed, arguments.seconds, arguments.workers)
    run = Run(order, folder, _MODES[arguments.mode])
    keep = True
    try:
        _say(f"seed {arguments.seed}, {arguments.seconds:g} s of faults, {arguments.workers} workers")
        result = run.run()
        keep = arguments.keep or bool(result.violations)
        return _report(result, run.history_folder)
    except KeyboardInterrupt:
        _say("interrupted; no verdict")
        keep = arguments.keep
        return _INTERRUPTED
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        end_all(token)
        warden.dismiss()
        _tidy(folder, run.history_folder, keep=keep)
        if keep:
            _say(f"the history is in {run.history_folder}")
        mode = "" if arguments.mode == Mode.name else f" MODE={arguments.mode}"
        numbers = f"SECONDS={arguments.seconds:g} SEED={arguments.seed} WORKERS={arguments.workers}"
        _say(f"to replay: make chaos {numbers}{mode}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds during which faults happen")
    parser.add_argument("--seed", type=int, help="seed of the plan of faults; random by default")
    parser.add_argument("--workers", type=int, default=4, help="number of workers, prefork and threads in turn")
    parser.add_argument(
        "--mode",
        choices=sorted(_MODES),
        default=Mode.name,
        help="work: pages that only take time; llm: stages that ask a model",
    )
    parser.add_argument("--keep", action="store_true", help="keep the history even without a violation")
    arguments = parser.parse_args()
    if arguments.seconds <= 0 or arguments.workers < 1:
        parser.error("--seconds must be above 0 and --workers at least 1")
    if arguments.seed is None:
        arguments.seed = secrets.randbelow(1_000_000)
    return arguments


def _replay(arguments: argparse.Namespace) -> list[str]:
    return [
        f"--seconds={arguments.seconds:g}",
        f"--seed={arguments.seed}",
        f"--workers={arguments.workers}",
        f"--mode={arguments.mode}",
    ]


def _report(result: Result, history: Path) -> int:
    line = json.dumps(result.figures)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    (history / "verdict.json").write_text(line + "\n")
    for violation in result.violations:
        _say(f"VIOLATION {violation}")
    return 1 if result.violations else 0


def _tidy(folder: Path, history: Path, *, keep: bool) -> None:
    """Delete what is not kept, once no process writes to it any more."""
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.iterdir():
        if path != history:
            shutil.rmtree(path, ignore_errors=True)


def _say(what: str) -> None:
    sys.stderr.write(f"chaos: {what}\n")


if __name__ == "__main__":
    sys.exit(main())

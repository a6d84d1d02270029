"""`python -m sample.provider`: run the provider until SIGINT or SIGTERM; the first line says where it is."""

import argparse
import signal
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

from checkpointing.errors import StorageError
from sample.provider.behaviour import USUAL_KINDS, Behaviour, Trouble
from sample.provider.running import running_provider

_USUAL = Behaviour()
_ENDING = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Parse the command line, serve, and stop in order."""
    parser = _parser()
    arguments = parser.parse_args()
    # Blocked before the first thread starts, which inherits it: the signals then reach `sigwait` and nobody else.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        behaviour = _behaviour(arguments)
        with running_provider(behaviour, arguments.bill) as provider:
            sys.stdout.write(f"{provider.base_url}\n")
            sys.stdout.flush()
            signal.sigwait(_ENDING)
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        parser.exit(StorageError.exit_code, f"the provider cannot start: {error}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sample.provider", description="Run a language model provider that corrects the sample book."
    )
    parser.add_argument("--port", type=int, default=_USUAL.port, help="of 127.0.0.1; 0 for a free one")
    parser.add_argument(
        "--latency", type=float, default=_USUAL.latency_seconds, metavar="SECONDS", help="of an answer"
    )
    parser.add_argument(
        "--slow",
        type=float,
        default=_USUAL.slow_seconds,
        metavar="SECONDS",
        help="that a slow answer takes beyond that",
    )
    parser.add_argument(
        "--trouble", type=float, default=_USUAL.trouble, metavar="SHARE", help="of calls, from 0 to 1"
    )
    parser.add_argument("--seed", type=int, default=_USUAL.seed, help="another one makes other calls misbehave")
    parser.add_argument(
        "--kind",
        action="append",
        type=Trouble,
        choices=list(Trouble),
        help="of trouble; may be repeated; by default all but what a gateway does",
    )
    parser.add_argument("--price-in", type=_usd, default=_USUAL.price_in, metavar="USD", help="a million tokens")
    parser.add_argument("--price-out", type=_usd, default=_USUAL.price_out, metavar="USD", help="a million tokens")
    parser.add_argument("--report-cost", action="store_true", help="tell the bill in usage.cost")
    parser.add_argument("--bill", type=Path, metavar="FILE", help="keep the bill there, as lines of JSON")
    parser.add_argument("--refuse-schema", action="store_true", help="answer response_format: json_schema by 400")
    return parser


def _behaviour(arguments: argparse.Namespace) -> Behaviour:
    return Behaviour(
        port=arguments.port,
        latency_seconds=arguments.latency,
        slow_seconds=arguments.slow,
        trouble=arguments.trouble,
        seed=arguments.seed,
        kinds=tuple(arguments.kind or USUAL_KINDS),
        price_in=arguments.price_in,
        price_out=arguments.price_out,
        report_cost=arguments.report_cost,
        refuse_schema=arguments.refuse_schema,
    )


def _usd(argument: str) -> Decimal:
    try:
        return Decimal(argument)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"{argument} is no price") from error


if __name__ == "__main__":
    main()

"""`python -m benchmarks [NAME ...]`: measure and print the figures of docs/performance.md."""

import argparse

from benchmarks import book

BENCHMARKS = {"book": book.run}


def main() -> None:
    """Run the benchmarks that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(BENCHMARKS), help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--rounds", type=int, default=1, help="how often each side is measured")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - BENCHMARKS.keys()
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    for name in arguments.names:
        BENCHMARKS[name](rounds=arguments.rounds)


if __name__ == "__main__":
    main()

"""Runs a command with a language model at hand that costs nothing: the test provider, for `make demo-llm`.

`python -m sample.with_provider [--trouble 0.1] [--latency 0.3] COMMAND ...` starts the provider, tells the command
where it is by the environment, and says at the end what a real one would have charged.
"""

import argparse
import os
import subprocess
import sys

from sample.provider import Behaviour, running_provider

MODEL = "a-model-of-the-sample"
_STAGES = ("CORRECTION", "FIX", "STRUCTURE")


def environment(base_url: str, behaviour: Behaviour) -> dict[str, str]:
    """The settings of Leafmark that point to a provider."""
    return {
        "LEAFMARK_LLM_BASE_URL": base_url,
        "LEAFMARK_LLM_API_KEY": "none-is-needed",
        "LEAFMARK_PRICES": f"{MODEL}={behaviour.price_in}/{behaviour.price_out}",
        **{f"LEAFMARK_{stage}_MODEL": MODEL for stage in _STAGES},
    }


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m sample.with_provider", description=__doc__)
    parser.add_argument("--trouble", type=float, default=0.0, help="share of calls that misbehave, 0 to 1")
    parser.add_argument("--latency", type=float, default=0.3, help="seconds that an answer takes")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    behaviour = Behaviour(trouble=arguments.trouble, latency_seconds=arguments.latency)
    with running_provider(behaviour) as provider:
        settings = environment(provider.base_url, behaviour)
        done = subprocess.run(arguments.command, env={**os.environ, **settings}, check=False)
        bill = provider.bill()
    sys.stderr.write(f"The provider of this demo has answered {bill.calls} calls and bills ${bill.total_usd}.\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())

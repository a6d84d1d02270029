"""A provider of language models that Leafmark runs itself, for tests and the demo: no key, no network, no money.

It speaks OpenAI's chat completions, corrects pages from the known text of the sample book, bills every call without
rounding, and misbehaves as told, in a way that can be replayed. `python -m sample.provider` runs it.
"""

from sample.provider.behaviour import Behaviour, Trouble
from sample.provider.bill import BillRow, Statement
from sample.provider.running import Provider, running_provider

__all__ = ["Behaviour", "BillRow", "Provider", "Statement", "Trouble", "running_provider"]

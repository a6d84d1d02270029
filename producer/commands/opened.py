"""What a command has opened: the command line closes it at its end, however that end comes."""

from contextlib import ExitStack

opened = ExitStack()

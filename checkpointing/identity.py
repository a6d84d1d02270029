"""Names of this process, for people and for locks."""

import os
import secrets
import socket


def process_name() -> str:
    """Return the name of this process, for people: `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def new_token() -> str:
    """Return a new value for a lock or claim of this process: `host:pid:random`."""
    return f"{process_name()}:{secrets.token_hex(8)}"

"""Who this process is, for people and for locks."""

import os
import secrets
import socket


def process_name() -> str:
    """This process, for people: `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def new_token() -> str:
    """What a lock or claim of this process holds: `host:pid:random`."""
    return f"{process_name()}:{secrets.token_hex(8)}"

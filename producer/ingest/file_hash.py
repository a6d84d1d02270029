"""The hash by which a source file is known again."""

import hashlib
from pathlib import Path

from checkpointing.regular_files import open_regular_file


def sha256_of(path: Path) -> str:
    """Return the hash of a file's content, in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    with open_regular_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

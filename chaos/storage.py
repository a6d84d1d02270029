"""A small file system that can be filled, where one can be mounted, and damage to files."""

import errno
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_NAMESPACE_VARIABLE = "LEAFMARK_CHAOS_NAMESPACE"
_NAMESPACES = (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"])
_MIB = 1024 * 1024


def enter_namespace(arguments: Sequence[str]) -> None:
    """Run this program again in a namespace where it can mount; the mounts go away with its last process.

    Returns only where there is no such namespace, or the program is already in one.
    """
    if os.environ.get(_NAMESPACE_VARIABLE) or shutil.which("unshare") is None:
        return
    for namespace in _NAMESPACES:
        if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0:
            os.environ[_NAMESPACE_VARIABLE] = "1"
            command = [*namespace, sys.executable, "-m", "chaos", *arguments]
            os.execvp(command[0], command)  # noqa: S606  # the arguments are our own


class SmallDisk:
    """A file system in memory, mounted on a folder; a plain folder where that is not possible."""

    def __init__(self, folder: Path, mebibytes: int) -> None:
        folder.mkdir()
        self.is_small = False
        if os.environ.get(_NAMESPACE_VARIABLE):
            mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
            self.is_small = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        self._folder = folder
        self._ballast = folder / ".ballast"

    def fill(self) -> None:
        """Fill the disk."""
        with self._ballast.open("ab") as file, suppress(OSError):
            free = os.statvfs(self._folder)
            os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize))
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError as error:
                if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                    raise

    def free(self) -> None:
        """Free the disk again."""
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Unmount it, so that its folder can be deleted."""
        if self.is_small:
            unmount = ["umount", "--lazy", str(self._folder)]
            subprocess.run(unmount, capture_output=True, check=False)


def damage(path: Path, how: str, rng: random.Random) -> None:
    """Damage a file in its place, as a bad disk or a careless person does.

    Raises:
        OSError: the file is gone.
    """
    if how == "delete":
        path.unlink()
        return
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            return
        if how == "truncate":
            file.truncate(rng.randrange(size))
        elif how == "flip":
            place = rng.randrange(size)
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1 << rng.randrange(8)]))
        elif how == "overwrite":
            file.write(b"\x00" * (size // 2 + 1))
        else:
            raise ValueError(f"unknown damage {how!r}")


def swap(one: Path, other: Path) -> None:
    """Exchange the contents of two files, in their places.

    Raises:
        OSError: one of them is gone.
    """
    first, second = one.read_bytes(), other.read_bytes()
    for path, content in ((one, second), (other, first)):
        with path.open("r+b") as file:
            file.truncate(len(content))
            file.write(content)

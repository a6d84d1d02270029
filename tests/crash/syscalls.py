"""The system calls that tests speak of, by their names, and where their arguments name a file."""

from tests.crash.ptrace import MACHINE_NAME

_NUMBERS = {
    "x86_64": {
        "read": 0,
        "write": 1,
        "open": 2,
        "close": 3,
        "stat": 4,
        "fstat": 5,
        "lstat": 6,
        "poll": 7,
        "lseek": 8,
        "ioctl": 16,
        "pread64": 17,
        "pwrite64": 18,
        "readv": 19,
        "writev": 20,
        "getpid": 39,
        "socket": 41,
        "connect": 42,
        "sendto": 44,
        "recvfrom": 45,
        "sendmsg": 46,
        "shutdown": 48,
        "setsockopt": 54,
        "getsockopt": 55,
        "uname": 63,
        "flock": 73,
        "fsync": 74,
        "fdatasync": 75,
        "truncate": 76,
        "ftruncate": 77,
        "rename": 82,
        "mkdir": 83,
        "rmdir": 84,
        "link": 86,
        "unlink": 87,
        "getdents64": 217,
        "openat": 257,
        "mkdirat": 258,
        "newfstatat": 262,
        "unlinkat": 263,
        "renameat": 264,
        "linkat": 265,
        "renameat2": 316,
        "getrandom": 318,
        "statx": 332,
    },
    "aarch64": {
        "ioctl": 29,
        "flock": 32,
        "mkdirat": 34,
        "unlinkat": 35,
        "linkat": 37,
        "renameat": 38,
        "truncate": 45,
        "ftruncate": 46,
        "openat": 56,
        "close": 57,
        "getdents64": 61,
        "lseek": 62,
        "read": 63,
        "write": 64,
        "readv": 65,
        "writev": 66,
        "pread64": 67,
        "pwrite64": 68,
        "ppoll": 73,
        "newfstatat": 79,
        "fstat": 80,
        "fsync": 82,
        "fdatasync": 83,
        "uname": 160,
        "getpid": 172,
        "socket": 198,
        "connect": 203,
        "sendto": 206,
        "recvfrom": 207,
        "setsockopt": 208,
        "getsockopt": 209,
        "shutdown": 210,
        "sendmsg": 211,
        "renameat2": 276,
        "getrandom": 278,
        "statx": 291,
    },
}
_NAMES = {number: name for name, number in _NUMBERS.get(MACHINE_NAME, {}).items()}

READS = frozenset({"read", "pread64", "readv", "getdents64", "stat", "fstat", "lstat", "newfstatat", "statx"})
WRITES = frozenset({"write", "pwrite64", "writev", "truncate", "ftruncate"})
SYNCS = frozenset({"fsync", "fdatasync"})
OPENS = frozenset({"open", "openat"})
RENAMES = frozenset({"rename", "renameat", "renameat2"})
REMOVALS = frozenset({"unlink", "unlinkat", "rmdir"})
SENDS = frozenset({"sendto", "sendmsg"})
LINKS = frozenset({"link", "linkat"})
MAKES_FOLDERS = frozenset({"mkdir", "mkdirat"})

ON_STORAGE = READS | WRITES | SYNCS | OPENS | RENAMES | REMOVALS | LINKS | MAKES_FOLDERS | {"flock"}
# A death after one of these leaves what a death before it leaves. Any call that is not named may change something.
CHANGES_NOTHING = READS | frozenset(
    (
        "poll",
        "ppoll",
        "lseek",
        "ioctl",
        "getpid",
        "socket",
        "recvfrom",
        "setsockopt",
        "getsockopt",
        "uname",
        "getrandom",
    )
)

_PATH_IN_FIRST = frozenset({"open", "stat", "lstat", "truncate", "rename", "mkdir", "rmdir", "link", "unlink"})
_PATH_IN_SECOND = frozenset(
    {"openat", "mkdirat", "unlinkat", "renameat", "renameat2", "linkat", "newfstatat", "statx"}
)


def name_of(number: int) -> str:
    """The name of a call; its number where no test speaks of it."""
    return _NAMES.get(number, str(number))


def place_of_path(name: str) -> int | None:
    """Which argument is the path that the call works on; None where the first is a descriptor, or no file."""
    if name in _PATH_IN_FIRST:
        return 0
    return 1 if name in _PATH_IN_SECOND else None

"""Check that the file system of the storage guarantees what Leafmark relies on across machines.

That is: a rename is atomic, `fsync` is durable, and all machines see a `flock`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from producer.doctor.check import Area, Check, Reporter

MOUNT_TABLE = Path("/proc/self/mountinfo")
_LONG_CACHE_SECONDS = 120
_LOCAL_LOCKS = ("nolock", "local_lock=all", "local_lock=flock")
# File systems on which rename and `flock` hold between machines, and those on which they may not.
_SHARED = frozenset({"nfs", "nfs4", "ceph", "fuse.ceph", "lustre", "gpfs", "beegfs", "glusterfs", "fuse.glusterfs"})
_SAMBA = frozenset({"cifs", "smb3", "smbfs", "9p", "virtiofs", "vboxsf", "fuse.vmhgfs-fuse"})
_report = Reporter(Area.STORAGE)


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system.

    Attributes:
        kind: its type: `ext4`, `nfs4`, `fuse.sshfs`.
        options: the options of the mount and of the file system.
    """

    point: Path
    kind: str
    options: frozenset[str]

    def seconds(self, name: str) -> int | None:
        """Return the value of an option such as `acregmax=60`, or None if it is not set."""
        found = (option.partition("=")[2] for option in self.options if option.startswith(f"{name}="))
        return next((int(value) for value in found if value.isdigit()), None)


def mount_of(path: Path, table: str) -> Mount | None:
    """Return the mount that an absolute path without links is on, by the text of `/proc/self/mountinfo`."""
    found = None
    for line in table.splitlines():
        mount = _read(line)
        # A later mount on the same mount point hides the earlier one.
        if mount and path.is_relative_to(mount.point):
            deeper = found is None or len(mount.point.parts) >= len(found.point.parts)
            found = mount if deeper else found
    return found


def check_mount(mount: Mount | None) -> Iterator[Check]:
    """Check a file system as the storage of several machines."""
    if mount is None:
        yield _report.ok("file_system", "the type of the file system is unknown")
    elif mount.kind in {"nfs", "nfs4"}:
        fine = _report.ok("file_system", f"{mount.kind} at {mount.point}, hard, locks shared between machines")
        yield from list(_faults_of_nfs(mount)) or [fine]
    elif mount.kind in _SHARED:
        yield _report.ok("file_system", f"{mount.kind} at {mount.point}, shared between machines")
    elif mount.kind in _SAMBA or mount.kind.startswith("fuse"):
        yield _report.warning(
            "file_system",
            f"{mount.kind} at {mount.point}: `flock` and rename may not hold between machines",
            "use it from one machine only, or use NFS 4 or CephFS",
        )
    elif mount.kind in {"tmpfs", "ramfs"}:
        yield _report.warning(
            "file_system",
            f"{mount.kind} at {mount.point}: its content is lost when the machine restarts",
            "use a disk",
        )
    elif mount.kind == "overlay":
        yield _report.warning(
            "file_system",
            "the storage root is in a container's own file system, which is not shared and is deleted with it",
            "mount a volume at LEAFMARK_STORAGE_ROOT",
        )
    else:
        yield _report.ok("file_system", f"{mount.kind} at {mount.point}: for workers on this machine")


def _faults_of_nfs(mount: Mount) -> Iterator[Check]:
    local = sorted(mount.options.intersection(_LOCAL_LOCKS))
    if local:
        yield _report.problem(
            "nfs_locks",
            f"{mount.kind} at {mount.point} is mounted with {local[0]}: other machines do not see locks",
            "mount it without that option",
        )
    if "soft" in mount.options or "softerr" in mount.options:
        yield _report.warning(
            "nfs_soft",
            f"{mount.kind} at {mount.point} is mounted soft: writes fail if the server is slow",
            "mount it hard, which is the default",
        )
    longest = max((mount.seconds(name) or 0 for name in ("acregmax", "acdirmax", "actimeo")), default=0)
    if longest > _LONG_CACHE_SECONDS:
        yield _report.warning(
            "nfs_cache",
            f"{mount.kind} at {mount.point} may show the content that a file had {longest} s ago",
            "mount it with a shorter actimeo, such as the default",
        )
    if mount.kind == "nfs" and not any(option.startswith("vers=4") for option in mount.options):
        yield _report.warning(
            "nfs_version",
            f"{mount.point} is NFS 3: if a machine crashes, the locks that it held stay locked",
            "mount it with vers=4.1 or later",
        )


def _read(line: str) -> Mount | None:
    """Parse a line of the table: `36 35 98:0 / /mnt rw,noatime shared:1 - ext3 /dev/sda1 rw,errors=continue`."""
    before, separator, after = line.partition(" - ")
    fields, last = before.split(), after.split()
    if not separator or len(fields) < 6 or len(last) < 3:  # noqa: PLR2004  # see the example
        return None
    point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
    return Mount(Path(point), last[0], frozenset([*fields[5].split(","), *last[2].split(",")]))

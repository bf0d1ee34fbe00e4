"""What a directory is mounted from."""

import os
from typing import NamedTuple

import psutil

_REMOTE = ("nfs", "cifs", "smb", "fuse", "9p", "ceph", "gluster", "lustre", "afs")
"""File systems that others write to without the kernel here hearing of it, by prefix."""


class Mount(NamedTuple):
    """A file system, as the table of mounts has it."""

    kind: str
    device: str

    @property
    def is_remote(self) -> bool:
        """Whether others may write to it without this kernel hearing of it."""
        return self.kind.lower().startswith(_REMOTE)

    @property
    def names_its_server(self) -> bool:
        """Whether its device says the same on every host: `server:/export`, `//server/share`.

        That of many a FUSE file system is but its program's name.
        """
        return ":" in self.device or self.device.startswith("//")


def mount_of(directory: str) -> Mount | None:
    """Return what a directory, given by its real path, is mounted from."""
    mounts = [
        mount
        for mount in psutil.disk_partitions(all=True)
        if os.path.commonpath([mount.mountpoint, directory]) == mount.mountpoint
    ]
    if not mounts:
        return None
    # Of two at one place the later one covers the other.
    innermost = max(reversed(mounts), key=lambda mount: len(mount.mountpoint))
    return Mount(innermost.fstype, innermost.device)


def is_on_remote_file_system(directory: str) -> bool:
    """Say whether others may write to a directory without this kernel hearing of it."""
    mount = mount_of(directory)
    return mount is not None and mount.is_remote

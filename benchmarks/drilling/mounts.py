"""Disks that only one process of a drill sees: small ones, and read-only views of folders."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

NEW_MOUNTS, NEW_USER = 0x00020000, 0x10000000
"""Flags of unshare(2)."""


def enter_private_mounts() -> str:
    """Let this process and its children have mounts of their own; return why not, or nothing.

    Root needs no more; another user becomes root of a name space where the system allows it. The
    mounts end with the process, however it ends.
    """
    user, group = os.geteuid(), os.getegid()
    try:
        unshare = ctypes.CDLL(None, use_errno=True).unshare
    except (AttributeError, OSError):
        return "this system has no private mounts"
    if unshare(NEW_MOUNTS if user == 0 else NEW_MOUNTS | NEW_USER) != 0:
        return f"private mounts are not allowed here ({os.strerror(ctypes.get_errno())})"
    try:
        if user != 0:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        mount("--make-rprivate", "/")
    except (OSError, subprocess.SubprocessError) as error:
        return f"nothing can be mounted here ({error})"
    return ""


def mount_small_disk(folder: Path, n_bytes: int) -> None:
    """Put an empty disk of so many bytes, in memory, at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", str(folder))


def mount_read_only(folder: Path) -> None:
    """Let a folder be read-only for this process: even root cannot write there."""
    mount("--bind", str(folder), str(folder))
    mount("-o", "remount,bind,ro", str(folder))


def unmount(folder: Path) -> None:
    """Take a disk away again; what was under it is seen."""
    subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True, timeout=20)


def mount(*options: str) -> None:
    """Call mount(8).

    Raises
    ------
    subprocess.CalledProcessError
        If the system refuses.
    """
    subprocess.run(["mount", *options], check=True, capture_output=True, timeout=20)

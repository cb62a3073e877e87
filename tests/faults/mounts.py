"""File systems made for a test: tmpfs and ext4 in a loop file, inside a mount namespace of this process.

The namespace goes with the process, and its mounts and loop devices with it, however it ends.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_EXT4_IOC_SHUTDOWN = 0x8004587D
LOG_FLUSH, NO_LOG_FLUSH = 1, 2
"""What a power cut leaves: the metadata of everything so far (LOG_FLUSH), or only what was committed before."""


def enter_namespace() -> None:
    """Give this process mounts of its own. Raises OSError where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        unmount(folder)


@contextmanager
def bind(source: Path, folder: Path) -> Iterator[Path]:
    """The folder `source`, made for it, at `folder`, too: of the same file system, and a mount of its own."""
    source.mkdir()
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", str(source), str(folder)], check=True)
    try:
        yield folder
    finally:
        unmount(folder)
        shutil.rmtree(source)


@contextmanager
def overlay(lower: Path, folder: Path) -> Iterator[Path]:
    """An overlayfs at `folder` over `lower`; what is written lies beside it."""
    upper, work = lower.with_name(f"{lower.name}-upper"), lower.with_name(f"{lower.name}-work")
    for path in (upper, work, folder):
        path.mkdir(exist_ok=True)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(folder)], check=True)
    try:
        yield folder
    finally:
        unmount(folder)
        shutil.rmtree(upper)
        shutil.rmtree(work)


def make_ext4(image: Path, size: int) -> None:
    """An empty ext4 in the file `image`, with as little metadata as the tools allow, so that copies are quick."""
    with image.open("wb") as file:
        file.truncate(size)
    options = ["-q", "-b", "4096", "-N", "4096", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0"]
    subprocess.run(["mkfs.ext4", *options, str(image)], check=True)


@contextmanager
def ext4(image: Path, folder: Path) -> Iterator[Path]:
    """The file system in `image`, mounted at `folder`; its journal is replayed first, as after a crash."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "ext4", "-o", "loop,noatime", str(image), str(folder)], check=True)
    try:
        yield folder
    finally:
        unmount(folder)


def cut_power(folder: Path, kind: int) -> None:
    """Stop the mounted ext4 as a power cut would: nothing that is in memory alone gets to the disk any more."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, _EXT4_IOC_SHUTDOWN, struct.pack("I", kind))
    finally:
        os.close(fd)


def check_ext4(image: Path) -> None:
    """Raise CalledProcessError unless fsck finds the unmounted file system clean."""
    subprocess.run(["e2fsck", "-fn", str(image)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

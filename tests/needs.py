"""What some tests need of the machine: elsewhere they are skipped with a reason, in CI they fail."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

SMALL_DISK = "24m"


def strace() -> None:
    """Following the system calls of other processes, and disturbing them."""
    _need(_can_trace(), "needs strace, and the right to follow a process with it")


def small_disks() -> None:
    """Mounting small disks, which can be filled up."""
    _need(_can_mount(), "needs root, and the right to mount a tmpfs")


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 24 MB at *folder*."""
    folder.mkdir(parents=True)
    _mount(folder, f"size={SMALL_DISK}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def grow(folder: Path) -> None:
    """Somebody makes room on the small disk at *folder*."""
    _mount(folder, "remount,size=200m")


def _need(met: bool, reason: str) -> None:
    if met:
        return
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@cache
def _can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run(["strace", "-D", "-f", "-o", os.devnull, "true"], capture_output=True)
    return tried.returncode == 0


@cache
def _can_mount() -> bool:
    with tempfile.TemporaryDirectory() as name:
        try:
            with small_disk(Path(name) / "disk"):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def _mount(folder: Path, options: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    subprocess.run(command, check=True, capture_output=True)

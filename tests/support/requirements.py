"""Needs of some tests on the machine: without them they are skipped with a reason; CI has all."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest

SMALL_DISK = "24m"
PAGE = 4096
CHROMIUM = "/usr/bin/chromium"
NGINX = "/usr/sbin/nginx"
CLAMD = "/usr/sbin/clamd"
OPENDKIM = "/usr/sbin/opendkim"


def strace() -> None:
    """Following the system calls of other processes, and disturbing them."""
    met(_can_trace(), "needs strace, and the right to follow a process with it")


def small_disks() -> None:
    """Mounting small disks, which can be filled up."""
    met(can_mount(), "needs root, and the right to mount a tmpfs")


def chromium() -> None:
    """Drawing pages, and Vietnamese in them."""
    met(Path(CHROMIUM).is_file(), f"needs Chromium at {CHROMIUM}")
    met(_has_vietnamese(), "needs fontconfig, and a font with all Vietnamese letters")


def noto_sans() -> None:
    """Drawing pages with the letters of the pictures in docs/images."""
    met(_default_font() == "Noto Sans", "needs Noto Sans as the system's font (fonts-noto-core)")


def postfix() -> None:
    """Running a mail server of the test's own."""
    met(Path("/usr/lib/postfix/sbin/master").is_file(), "needs postfix")
    met(os.geteuid() == 0, "needs root: Postfix starts as nobody else")


def opendkim() -> None:
    """Verifying DKIM signatures by another's code."""
    met(Path(OPENDKIM).is_file(), "needs opendkim")


def nginx() -> None:
    """Running a web server of the test's own."""
    met(Path(NGINX).is_file(), "needs nginx")


def prometheus() -> None:
    """Running a Prometheus of the test's own, and trying its rules."""
    is_there = all(shutil.which(name) for name in ("prometheus", "promtool"))
    met(is_there, "needs prometheus and promtool (Debian: prometheus)")


def clamd() -> None:
    """Running a scanner of the test's own."""
    met(Path(CLAMD).is_file(), "needs clamd (Debian: clamav-daemon)")


def office() -> None:
    """Opening a Word document, and a workbook."""
    met(
        shutil.which("soffice") is not None,
        "needs LibreOffice (libreoffice-writer-nogui, -calc-nogui)",
    )


def node() -> None:
    """Running JavaScript outside a browser."""
    met(shutil.which("node") is not None, "needs node (Debian: nodejs)")


def curl() -> None:
    """Sending what the documents print."""
    met(shutil.which("curl") is not None, "needs curl")


@contextmanager
def small_disk(folder: Path, size: str = SMALL_DISK) -> Iterator[Path]:
    """A disk of *size* at *folder*."""
    folder.mkdir(parents=True)
    _mount(folder, f"size={size}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, leaving: int = 0) -> Path:
    """Fill the disk at *folder* with a file, up to *leaving* bytes; removing it makes room."""
    ballast = folder / "ballast"
    space = os.statvfs(folder)
    size = max(0, space.f_bavail * space.f_frsize - leaving)
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        while size > 0 or not leaving:  # until the disk refuses
            size -= file.write(bytes(min(max(size, PAGE), 1 << 20)))
    return ballast


def met(is_met: bool, reason: str) -> None:
    """Skip a test whose requirement this machine lacks; in CI that is a failure."""
    if not is_met:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@cache
def _has_vietnamese() -> bool:
    if shutil.which("fc-list") is None:
        return False
    return bool(subprocess.run(["fc-list", ":lang=vi"], capture_output=True, check=True).stdout)


def _default_font() -> str:
    """The family that browsers take for `sans-serif`; empty without fontconfig."""
    if shutil.which("fc-match") is None:
        return ""
    asked = ["fc-match", "--format", "%{family}", "sans-serif"]
    return subprocess.run(asked, capture_output=True, check=True, text=True).stdout


@cache
def _can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run(["strace", "-D", "-f", "-o", os.devnull, "true"], capture_output=True)
    return tried.returncode == 0


@cache
def can_mount() -> bool:
    """Whether small disks can be mounted here."""
    with tempfile.TemporaryDirectory() as name:
        try:
            with small_disk(Path(name) / "disk"):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def _mount(folder: Path, options: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    subprocess.run(command, check=True, capture_output=True)

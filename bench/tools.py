"""The programs that the bench needs beside Loa, and what to install when one is missing."""

import shutil
import subprocess
import sys
from pathlib import Path

PATH = "/usr/sbin:/usr/lib/postfix/sbin"
PACKAGES = {
    "smtp-sink": "postfix",
    "smtp-source": "postfix",
    "redis-server": "redis-server",
    "cc": "gcc libc6-dev",
    "postconf": "postfix",
    "nginx": "nginx-light",
    "wrk": "wrk",
}
MISSING = """\
{name} is missing. Install Debian's package {package} (no service of it has to run):
Thiếu {name}. Hãy cài gói {package} của Debian (không cần chạy dịch vụ nào của gói):
    apt install --no-install-recommends {package}"""
NO_PEER = """\
Celery is missing in {folder}: `make bench` installs it there.
Thiếu Celery trong {folder}: lệnh `make bench` sẽ cài vào đó."""
PEER = Path(sys.prefix).with_name(Path(sys.prefix).name + "-bench")
"""Celery has an environment of its own: it brings a pytest plugin along."""


class Missing(Exception):
    """A program is not installed; the text says what to install, in English and Vietnamese."""


def tool(name: str) -> str:
    """Where *name* is. Raises Missing."""
    found = shutil.which(name) or shutil.which(name, path=PATH)
    if found is None:
        raise Missing(MISSING.format(name=name, package=PACKAGES[name]))
    return found


def peer_python() -> Path:
    """The Python that has Celery. Raises Missing."""
    python = PEER / "bin" / "python"
    if not (PEER / "bin" / "celery").exists():
        raise Missing(NO_PEER.format(folder=PEER))
    return python


def compiled(source: Path, folder: Path) -> Path:
    """The program of one C file. Raises Missing."""
    program = folder / source.stem
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([tool("cc"), "-O2", "-o", program, source], check=True)
    return program

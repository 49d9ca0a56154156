"""The wheels that other systems install, and the interpreters that they may have."""

import shutil
import subprocess
import sys
from pathlib import Path

from deploy.lock import read_lock
from tests.support import requirements
from tests.support.repository import ROOT


def build(folder: str, target: Path) -> Path:
    """The wheel of the project in *folder* of the repository."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", target]
    built = subprocess.run(command, cwd=ROOT / folder, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    [wheel] = target.glob("*.whl")
    return wheel


def constraints(target: Path) -> Path:
    """A file for PIP_CONSTRAINT that holds installations to the versions of the lock."""
    lock = read_lock(ROOT / "requirements-dev.lock")
    pins = (f"{one.name}=={one.version}{one.marker and f' ; {one.marker}'}" for one in lock)
    target.write_text("\n".join(pins))
    return target


def python_of(version: str) -> str:
    """An interpreter of *version* that can make environments; without one a test is skipped."""
    usual = Path(f"/usr/bin/python{version}")
    found = str(usual) if usual.exists() else shutil.which(f"python{version}")
    check = [found or "", "-c", "import ensurepip, venv"]
    is_able = bool(found) and not subprocess.run(check, capture_output=True, check=False).returncode
    requirements.met(is_able, f"needs Python {version} with its venv module")
    return str(found)

"""The version of Loa before this one: its code from the repository's history, on our packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import ROOT

COMMIT = os.environ.get("LOA_TEST_VERSION_BEFORE") or (
    (ROOT / "tests" / "golden" / "version-before").read_text().strip()
)
"""The commit of the last release, which a release moves; or another one, to try."""
COMMAND = (sys.executable, "-m", "consumers.cli")
"""`loa`, of the version whose folder is on PYTHONPATH."""
_ROOMS = ("contracts", "channels", "producers", "consumers", "sandbox", "design", "examples")


def export_before(folder: Path) -> Path:
    """*folder* with the code of the version before; skips the test where the history lacks it."""
    found = subprocess.run(["git", "-C", ROOT, "cat-file", "-e", COMMIT], capture_output=True)
    if found.returncode:  # also in CI: a checkout need not bring its history along
        pytest.skip(f"needs a clone whose history has {COMMIT}")
    archive = ["git", "-C", ROOT, "archive", COMMIT, *_ROOMS]
    made = subprocess.run(archive, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", folder], input=made.stdout, check=True)
    return folder

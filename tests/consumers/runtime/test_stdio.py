"""Texts come out as UTF-8, also where the locale or PYTHONIOENCODING has another encoding."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TABLE = """
from consumers import cli
from consumers.cli import root
from consumers.cli.output import print_table
root.app = lambda **_: print_table(["đơn vị"], [["Bộ Nội vụ"]])
cli.main()
"""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_table_in_vietnamese_on_an_ascii_terminal(encoding):
    environ = os.environ | {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-c", TABLE]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "Bộ Nội vụ" in done.stdout.decode()

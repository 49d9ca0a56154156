"""Texts come out as UTF-8, also where the locale or PYTHONIOENCODING has another encoding."""

import os
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

ROOT = Path(__file__).parents[3]
TABLE = """
from consumers import cli
from consumers.cli import root
from consumers.cli.output import print_table
root.app = lambda **_: print_table(["đơn vị"], [["Bộ Nội vụ"]])
cli.main()
"""

MUCH = """
import sys
import typer
from consumers import cli
from consumers.cli import root
def look(**_):
    for _ in range(3):
        typer.echo("dòng " * 20000)
    print("done", file=sys.stderr)
    sys.exit(7)
root.app = look
cli.main()
"""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_table_in_vietnamese_on_an_ascii_terminal(encoding):
    environ = os.environ | {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-c", TABLE]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "Bộ Nội vụ" in done.stdout.decode()


def test_a_reader_that_leaves_changes_neither_the_work_nor_the_exit_code():
    """`loa status | head -1`: code 1 would say that something needs a person."""
    with subprocess.Popen([sys.executable, "-c", MUCH], cwd=ROOT, stdout=PIPE, stderr=PIPE) as loa:
        loa.stdout.close()
        said = loa.stderr.read()
    assert (loa.returncode, said) == (7, b"done\n")

"""A real process that ends with an unexpected error logs no message text."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ENDING = """
import sys
from consumers.app import process
from consumers.cli import main

async def run(*_):
    raise KeyError("Tin mật")

process.run = run
sys.argv = ["loa", "up"]
main()
"""


@pytest.mark.parametrize("log_format", ["json", "pretty"])
def test_a_process_that_ends_for_a_reason_nobody_foresaw_tells_no_words(log_format, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ENDING],
        env=os.environ | {"LOA_DATA_DIR": str(tmp_path), "LOA_LOG_FORMAT": log_format},
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert (done.returncode, output.count("process_failed")) == (1, 1)
    assert "KeyError" in output and "mật" not in output

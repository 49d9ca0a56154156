"""A traceback in the log tells where, never with what: addresses and tokens stay out of it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ADDRESS = "nguyen.van.a@" + "example.com"
SCRIPT = """
import logging, sys, structlog
from consumers import logs
logs.configure({log_format!r}, service={service})

def send(address, credentials):
    letter = {{"to": address, "key": credentials}}
    raise RuntimeError("the relay hung up")

for log in (structlog.get_logger("consumers.deliver"), logging.getLogger("library")):
    try:
        send(*sys.argv[1:])
    except RuntimeError:
        log.exception("handler_failed")
"""


@pytest.mark.parametrize("log_format", ["json", "pretty"])
@pytest.mark.parametrize("service", [True, False])
def test_a_traceback_shows_no_value_of_a_variable(log_format, service):
    script = SCRIPT.format(log_format=log_format, service=service)
    done = subprocess.run(
        [sys.executable, "-c", script, ADDRESS, "token-4711"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert said.count("the relay hung up") >= 2, "ours and the library's"
    assert said.count("send") >= 2, "the frame is there"
    assert ADDRESS not in said
    assert "token-4711" not in said

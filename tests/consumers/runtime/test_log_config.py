"""A traceback in the log tells what kind and where, never with what: texts, addresses and tokens
stay out of it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ADDRESS = "nguyen.van.a@" + "example.com"
SCRIPT = """
import logging, sys, structlog
from consumers.runtime import log_config
log_config.configure({log_format!r}, service={service})

def send(address, credentials):
    letter = {{"to": address, "key": credentials}}
    try:
        raise KeyError("Tin mật một")
    except KeyError as first:
        second = OSError(28, "Tin mật hai")
        second.add_note("Tin mật ba")
        raise ExceptionGroup("Tin mật bốn", [ValueError("Tin mật năm"), second]) from first

for log in (structlog.get_logger("consumers.deliver.worker"), logging.getLogger("library")):
    try:
        send(*sys.argv[1:])
    except Exception:
        log.exception("handler_failed")
"""


@pytest.mark.parametrize("log_format", ["json", "pretty"])
@pytest.mark.parametrize("service", [True, False])
def test_a_traceback_shows_types_and_places_and_no_words(log_format, service):
    script = SCRIPT.format(log_format=log_format, service=service)
    done = subprocess.run(
        [sys.executable, "-c", script, ADDRESS, "token-4711"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = done.stdout + done.stderr
    for kind in ("ExceptionGroup", "KeyError", "ValueError", "OSError"):
        assert said.count(kind) >= 2, "ours and the library's"
    assert said.count("No space left on device") == 2, "the system's own words"
    assert "Tin m" not in said
    assert said.count("send") >= 2, "the frame is there"
    assert ADDRESS not in said
    assert "token-4711" not in said


LOOP = """
import asyncio, functools, gc, sys, uvloop
from consumers.runtime import log_config
log_config.configure({log_format!r}, service={service})

async def fail(said):
    raise ValueError(said)

def fail_at_once(said):
    raise KeyError(said)

class Shown:
    def __call__(self):
        raise TypeError(self)
    def __repr__(self):
        return "Shown as " + sys.argv[1]

async def main():
    await asyncio.wait({{asyncio.create_task(fail(sys.argv[1]))}})
    gc.collect()
    loop = asyncio.get_running_loop()
    loop.call_soon(fail_at_once, sys.argv[1])
    loop.call_soon(functools.partial(fail_at_once, sys.argv[1]))
    loop.call_soon(Shown())
    await asyncio.sleep(0)

with asyncio.Runner(loop_factory={loop}.new_event_loop) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("log_format", ["json", "pretty"])
@pytest.mark.parametrize("service", [True, False])
def test_what_the_event_loop_says_of_a_failure_has_no_words(loop, log_format, service):
    script = LOOP.format(loop=loop, log_format=log_format, service=service)
    done = subprocess.run(
        [sys.executable, "-c", script, f"Tin mật cho {ADDRESS}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert said.count("Task exception was never retrieved") == 1
    assert said.count("Exception in callback") == 3
    for kind in ("ValueError", "KeyError", "TypeError", "fail_at_once"):
        assert kind in said, "what kind, and where"
    assert "mật" not in said and ADDRESS not in said

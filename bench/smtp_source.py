"""Postfix's own load generator, 10 sessions: the reference."""

import os
import subprocess
import time

from bench.processes import peak_bytes
from bench.run import Run, Usage
from bench.sink import Sink
from bench.tools import tool

SESSIONS = 10
LENGTH = 5120
TIMEOUT_S = 120


class SmtpSource:
    name = f"smtp-source -s {SESSIONS}"

    def run(self, sink: Sink, mails: int) -> Run:
        """One run of smtp-source; -N numbers the recipients, -d keeps the connections."""
        counts = ["-s", str(SESSIONS), "-m", str(mails), "-l", str(LENGTH)]
        options = ["-N", "-d", "-f", "a@x.test", "-t", "b@y.test", f"127.0.0.1:{sink.port}"]
        sink.expect(mails)
        started = time.monotonic()
        process = subprocess.Popen([tool("smtp-source"), *counts, *options])
        sink.wait_for_first(TIMEOUT_S)
        peak = peak_bytes(process.pid)  # all sessions are open; wait4 would count the fork's too
        sink.wait(TIMEOUT_S)
        first_s, last_s = sink.first_at - started, sink.last_at - started
        return Run(mails, first_s, last_s, sink.wire_bytes, Usage(cpu_s_of_ended(process), peak))


def cpu_s_of_ended(process: subprocess.Popen[bytes]) -> float:
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return used.ru_utime + used.ru_stime

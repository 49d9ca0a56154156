"""Postfix's smtp-sink as the relay: it accepts mail, counts it and throws it away."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from bench.processes import listening_port
from bench.tools import tool

COUNTER = re.compile(rb"mesg=(\d+)")
TAIL = 64  # bytes kept of the last read: a counter may be cut in two
PAUSE_S = 0.001  # between two looks at the counter; the resolution of the last mail's time


class SinkStopped(Exception):
    """smtp-sink ended, or the mails did not come in time."""


class Sink:
    """A running smtp-sink on a port that the system chose; times are those of its own counter.

    Without *counting* it is a little faster: for senders that know themselves when they are done.
    """

    def __init__(self, *, counting: bool = True) -> None:
        self.options = ["-c"] if counting else []

    def __enter__(self) -> Self:
        as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [tool("smtp-sink"), *as_nobody, *self.options, "127.0.0.1:0", "1000"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.count = 0
        self._changed = threading.Condition()
        self.expect(1)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = self._listening_port()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def expect(self, mails: int, early: int = 0) -> None:
        """From now on count *mails*: sets `first_at` and `last_at` (monotonic seconds) anew.

        `early_at`: when the first *early* of them were in.
        """
        with self._changed:
            self._start, self._target = self.count, self.count + mails
            self._early = self.count + (early or mails)
            self.first_at = self.early_at = self.last_at = 0.0

    def wait_for_first(self, timeout_s: float) -> None:
        """Return when the first expected mail is in. Raises SinkStopped if it never comes."""
        self._wait(lambda: self.first_at, timeout_s)

    def wait(self, timeout_s: float) -> None:
        """Return when the expected mails are in. Raises SinkStopped if they never come."""
        self._wait(lambda: self.last_at, timeout_s)

    def _wait(self, arrived: Callable[[], float], timeout_s: float) -> None:
        with self._changed:
            in_time = self._changed.wait_for(arrived, timeout_s)
        if not in_time:
            raise SinkStopped(f"{self.count - self._start} mails came in {timeout_s:.0f} s")

    @property
    def wire_bytes(self) -> int:
        """Everything smtp-sink has read so far: mails and SMTP commands."""
        counters = Path(f"/proc/{self._process.pid}/io").read_text()
        return int(re.search(r"rchar: (\d+)", counters)[1])

    def _listening_port(self) -> int:
        while self._process.poll() is None:
            if port := listening_port(self._process.pid):
                return port
            time.sleep(0.01)
        raise SinkStopped("smtp-sink did not start")

    def _read(self) -> None:
        tail = b""
        while chunk := os.read(self._process.stdout.fileno(), 1 << 16):
            now = time.monotonic()
            tail = (tail + chunk)[-TAIL - len(chunk) :]
            if found := COUNTER.findall(tail[: tail.rfind(b"\r")]):
                self._note(int(found[-1]), now)
            tail = tail[-TAIL:]
            time.sleep(PAUSE_S if self.first_at else 0)

    def _note(self, count: int, now: float) -> None:
        with self._changed:
            self.count = count
            if count > self._start and not self.first_at:
                self.first_at = now
                self._changed.notify_all()
            if count >= self._early and not self.early_at:
                self.early_at = now
            if count >= self._target and not self.last_at:
                self.last_at = now
                self._changed.notify_all()

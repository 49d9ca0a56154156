"""The bench's own receiver in a process of its own, and when the awaited mails came to it."""

import subprocess
import sys
import threading
import time
from typing import Self

from bench.sink import SinkStopped


class Watcher:
    """A running `bench.receiver`; `came` has the monotonic time of every watched address."""

    def __init__(self, delay_ms: float = 0, prefix: str = "-") -> None:
        self.command = [sys.executable, "-m", "bench.receiver", str(delay_ms), prefix]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline())
        self.came: dict[str, float] = {}
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def wait_for(self, address: str, timeout_s: float = 60) -> float:
        """When the mail to *address* was in (monotonic seconds). Raises SinkStopped."""
        end = time.monotonic() + timeout_s
        with self._changed:
            while address not in self.came:
                if not self._changed.wait(max(0.0, end - time.monotonic())):
                    raise SinkStopped(f"no mail to {address} in {timeout_s:.0f} s")
            return self.came[address]

    def _read(self) -> None:
        for line in self._process.stdout:
            address, at = line.split()
            with self._changed:
                self.came[address] = float(at)
                self._changed.notify_all()

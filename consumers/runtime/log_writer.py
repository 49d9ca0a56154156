"""Log lines on their way to a file descriptor: a thread writes them, so that no caller waits."""

import atexit
import os
import threading
import time
from collections import deque
from select import PIPE_BUF, select

import structlog

log = structlog.get_logger()
_MAX_QUEUED_LINES = 10_000
_CLOSE_TIMEOUT_S = 2.0
"""How long the end of the process waits for lines that are not written yet."""
_RETRY_S = 1.0
"""The pause after a failed write."""


class LogWriter:
    """A text stream over *fd* that keeps the order of lines and drops what its queue can't hold.

    It writes to the descriptor and not through `sys.stdout`: a lock that a stuck thread holds would
    abort the interpreter at its end.
    """

    def __init__(self, fd: int, max_lines: int = _MAX_QUEUED_LINES) -> None:
        self.dropped_lines = 0
        """Lines that were dropped since the start."""
        self._fd = fd
        self._max_lines = max_lines
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._gap = 0  # lines dropped since the last one that was queued
        self._reported = 0  # lines whose loss a queued line tells
        self._in_work = 0
        self._is_torn = False
        threading.Thread(target=self._run, name="log-writer", daemon=True).start()
        atexit.register(self.close)

    def write(self, line: str) -> None:
        """Queue *line*, or drop it while the queue is full or the last lines were lost."""
        with self._changed:
            if self._gap or len(self._lines) >= self._max_lines:
                self._gap += 1
                self.dropped_lines += 1
                return
            self._lines.append(line.encode(errors="backslashreplace"))
            self._changed.notify()

    def flush(self) -> None:
        """Do nothing: a caller that waited would be stopped by a stuck reader."""

    def close(self) -> None:
        """Wait until the queued lines are written, but not for long."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._lines or self._in_work), _CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            self._write_chunk(self._take_chunk())
            self._report_gap()

    def _take_chunk(self) -> bytes:
        """Whole lines of up to PIPE_BUF bytes, which a pipe does not mix with other writers'."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines)
            chunk = [self._lines.popleft()]
            size = len(chunk[0])
            while self._lines and (size := size + len(self._lines[0])) <= PIPE_BUF:
                chunk.append(self._lines.popleft())
            self._in_work = len(chunk)
            return b"".join(chunk)

    def _write_chunk(self, chunk: bytes) -> None:
        rest = memoryview(b"\n" + chunk if self._is_torn else chunk)
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
                self._is_torn = bool(rest)
        except OSError:  # a full disk, a closed pipe
            time.sleep(_RETRY_S)
            self._end_chunk(self._in_work)
        else:
            self._end_chunk(0)

    def _end_chunk(self, lost: int) -> None:
        """Note that *lost* lines of the chunk were not written: all of them, or none."""
        with self._changed:
            if lost:
                lost -= bool(self._reported)  # the report itself is no loss
                self._gap += lost + self._reported
                self.dropped_lines += lost
            self._in_work = self._reported = 0
            self._changed.notify_all()

    def _write_some(self, rest: memoryview) -> int:
        try:
            return os.write(self._fd, rest)
        except BlockingIOError:  # the descriptor's other owner made it non-blocking
            select((), (self._fd,), ())
            return 0

    def _report_gap(self) -> None:
        """Log how many lines are missing, once those before them are written."""
        with self._changed:
            if not self._gap or self._lines:
                return
            self._reported, self._gap = self._gap, 0
        log.warning("log_lines_dropped", lines=self._reported, total=self.dropped_lines)

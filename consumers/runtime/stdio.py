"""Standard streams: closed ones are opened, texts are UTF-8, and a pipe may lose its reader."""

import io
import os
import sys
from typing import Any

_NAMES = ("stdin", "stdout", "stderr")


def open_closed_streams() -> list[str]:
    """Open closed standard streams to the null device, and return their names.

    Else the next file or socket would get the number of a standard stream.
    """
    closed = [name for fd, name in enumerate(_NAMES) if _open_if_closed(fd)]
    for name in closed:
        mode = "r" if name == "stdin" else "w"
        stream = open(_NAMES.index(name), mode, encoding="utf-8", closefd=False)  # noqa: SIM115 -- for the process' life
        setattr(sys, name, stream)
    return closed


def _open_if_closed(fd: int) -> bool:
    """Whether *fd* was closed; the system gives the lowest free number, which is *fd*."""
    try:
        os.fstat(fd)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        return True
    return False


class _Output(io.FileIO):
    """A stream whose reader may go, as `head` does: what it does not want is dropped.

    So the exit code stays what the command has found, and no act ends half done.
    """

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self.fileno())
            os.close(nothing)
            return len(data)


def prepare_output() -> None:
    """Write texts to stdout and stderr as UTF-8, also where the locale has another encoding.

    A reader that leaves ends no command.
    """
    for fd, name in ((1, "stdout"), (2, "stderr")):
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            buffer = io.BufferedWriter(_Output(fd, "w", closefd=False))
            text = io.TextIOWrapper(buffer, "utf-8", "backslashreplace")
            text.reconfigure(line_buffering=stream.line_buffering or stream.isatty())
            setattr(sys, name, text)


def has_terminal() -> bool:
    """Whether this process has a controlling terminal, which ends its session by SIGHUP."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True

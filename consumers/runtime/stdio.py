"""Standard streams: closed ones are opened, and texts are written as UTF-8."""

import io
import os
import sys

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


def write_utf8() -> None:
    """Write texts as UTF-8 to stdout and stderr, also where the locale has another encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def has_terminal() -> bool:
    """Whether this process has a controlling terminal, which ends its session by SIGHUP."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True

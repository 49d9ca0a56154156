"""Whose fault it is when an address can't be listened on: the variable is named."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from consumers.faults import fault, trouble
from contracts.errors import Invalid

OF_THE_PORT = frozenset((errno.EADDRINUSE, errno.EACCES))
"""In use, or below 1024; whatever else goes wrong is the host's."""


@contextmanager
def named(prefix: str, host: str, port: int, *, plus: int = 0) -> Iterator[None]:
    """Blame `<prefix>_PORT` or `<prefix>_HOST` for what can't be listened on. Raises Invalid.

    *port* lies *plus* above the variable's own.
    """
    try:
        yield
    except OSError as taken:
        if taken.filename is not None:  # a file's trouble, not an address's
            raise
        variable = f"{prefix}_PORT" if taken.errno in OF_THE_PORT else f"{prefix}_HOST"
        value = f"{host}:{port}" + (f" ({prefix}_PORT + {plus})" if plus else "")
        detail = trouble(taken)._replace(en=taken.strerror or str(taken))
        raise Invalid(fault(variable, "port_taken", value=value, detail=detail)) from taken


def look(prefix: str, host: str, port: int) -> None:
    """Whether *port* is free for a server that names no variable itself. Raises Invalid."""
    with named(prefix, host, port):
        socket.create_server((host, port)).close()

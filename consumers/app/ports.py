"""Errors of listening on an address, named after the variable that set it."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from consumers.errors import ListenRefused
from consumers.messages import field_error, translate_os_error

SANDBOX_PORT_OFFSET, DESK_PORT_OFFSET, METRICS_PORT_OFFSET = 10, 20, 30
"""Those of the stand-in of Zalo, the desk and metrics above the public one, if none is named."""
_PORT_ERRNOS = frozenset((errno.EADDRINUSE, errno.EACCES))
"""In use, or below 1024; any other error is the host's."""


@contextmanager
def blame_setting(prefix: str, host: str, port: int, *, plus: int = 0) -> Iterator[None]:
    """Name `<prefix>_PORT` or `<prefix>_HOST` when listening fails. Raises ListenRefused.

    *port* is the variable's own plus *plus*.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None:  # of a file, not of an address
            raise
        variable = f"{prefix}_PORT" if error.errno in _PORT_ERRNOS else f"{prefix}_HOST"
        value = f"{host}:{port}" + (f" ({prefix}_PORT + {plus})" if plus else "")
        if error.errno == errno.EADDRINUSE:
            raise ListenRefused(field_error(variable, "port_in_use", value=value)) from error
        detail = translate_os_error(error)._replace(en=error.strerror or str(error))
        raise ListenRefused(
            field_error(variable, "port_taken", value=value, detail=detail)
        ) from error


def require_free_port(prefix: str, host: str, port: int, *, plus: int = 0) -> None:
    """Check a port for a server that names no variable in its errors. Raises ListenRefused.

    *port* is the variable's own plus *plus*.
    """
    with blame_setting(prefix, host, port, plus=plus):
        socket.create_server((host, port)).close()

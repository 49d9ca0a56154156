"""Errors of listening on an address, named after the variable that set it."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from consumers.messages import field_error, translate_os_error
from contracts.errors import Invalid

_PORT_ERRNOS = frozenset((errno.EADDRINUSE, errno.EACCES))
"""In use, or below 1024; any other error is the host's."""


@contextmanager
def blame_setting(prefix: str, host: str, port: int, *, plus: int = 0) -> Iterator[None]:
    """Blame `<prefix>_PORT` or `<prefix>_HOST` for what can't be listened on. Raises Invalid.

    *port* lies *plus* above the variable's own.
    """
    try:
        yield
    except OSError as taken:
        if taken.filename is not None:  # a file's trouble, not an address's
            raise
        variable = f"{prefix}_PORT" if taken.errno in _PORT_ERRNOS else f"{prefix}_HOST"
        value = f"{host}:{port}" + (f" ({prefix}_PORT + {plus})" if plus else "")
        detail = translate_os_error(taken)._replace(en=taken.strerror or str(taken))
        raise Invalid(field_error(variable, "port_taken", value=value, detail=detail)) from taken


def require_free_port(prefix: str, host: str, port: int) -> None:
    """Whether *port* is free for a server that names no variable itself. Raises Invalid."""
    with blame_setting(prefix, host, port):
        socket.create_server((host, port)).close()

"""Ports for servers that are to listen at a port that is known before, or at the same one again."""

import os
import socket
from random import SystemRandom

_PORTS = range(10_000, 32_000)
"""Below those that Linux gives to whoever asks for any port, and to connections."""


def free_port() -> int:
    """A port that stays free until it is used: no other test process of this run may have it."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = _PORTS[worker::workers]
    return next(port for port in SystemRandom().sample(own, len(own)) if _is_free(port))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True

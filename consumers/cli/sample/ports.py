"""The ports of a sample ministry: links in its texts lead to those of its first run."""

from random import SystemRandom

from consumers.app.ports import DESK_PORT_OFFSET, SANDBOX_PORT_OFFSET, require_free_port
from consumers.errors import ListenRefused

_PORTS = range(32_000, 32_700)
"""Below those that Linux gives to connections, so that they stay free between runs."""
_OFFSETS = (0, SANDBOX_PORT_OFFSET, DESK_PORT_OFFSET)


def require_free(host: str, port: int) -> None:
    """Check the public port, and those of the stand-in and the desk. Raises ListenRefused."""
    for plus in _OFFSETS:
        require_free_port("LOA_HTTP", host, port + plus, plus=plus)


def find_taken(host: str, port: int) -> int:
    """The first of a ministry's ports that another process has; 0 where all are free."""
    own = (port + plus for plus in _OFFSETS)
    return next((one for one in own if not _is_free(host, one)), 0)


def are_free(host: str, port: int) -> bool:
    return not find_taken(host, port)


def _is_free(host: str, port: int) -> bool:
    try:
        require_free_port("LOA_HTTP", host, port)
    except ListenRefused:
        return False
    return True


def choose(host: str) -> int:
    """A public port that is free, as are those above it; 0 where none was found."""
    tried = SystemRandom().sample(_PORTS, len(_PORTS))
    return next((port for port in tried if are_free(host, port)), 0)

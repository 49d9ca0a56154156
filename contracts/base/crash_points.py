"""Crash points: named moments at which a test may kill the process. In production they do nothing.

Each name stands at one place in the code, and in the table of docs/crash-points.md, which says what
must be true after a kill there. The rooms share no other module, hence it lives here.
"""

from collections.abc import Callable

_armed: Callable[[str], None] | None = None


def crash_point(name: str) -> None:
    """Mark a moment at which death matters: what went before has happened, what follows has not."""
    if _armed is not None:
        _armed(name)


def arm(hook: Callable[[str], None] | None) -> None:
    """Call *hook* with the name of every crash point that is passed; None disarms. For tests."""
    global _armed
    _armed = hook

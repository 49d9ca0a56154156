"""Crash points: named moments at which a test may kill the process. No effect in production.

Each name is used at one place in the code and listed in docs/crash-points.md with the invariants
that hold after a kill there. All packages use this module.
"""

from collections.abc import Callable

_armed: Callable[[str], None] | None = None


def crash_point(name: str) -> None:
    """Mark the point between an effect that has happened and one that has not."""
    if _armed is not None:
        _armed(name)


def arm(hook: Callable[[str], None] | None) -> None:
    """Call *hook* with the name of every crash point that is passed; None disarms. For tests."""
    global _armed
    _armed = hook

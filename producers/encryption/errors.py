"""Errors of sealed records."""

from producers.bus import BusError


class KeyUnreadable(BusError):
    """A record's data key was wrapped with another key file; nothing was written."""

"""Errors of the anchor and of the audit log."""


class AnchorBroken(Exception):
    """The anchor can't be read, or this machine's key has not signed it."""

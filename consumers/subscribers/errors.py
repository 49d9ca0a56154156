"""Errors of the subscriber store."""


class AddressTaken(Exception):
    """The address belongs to another subscriber."""

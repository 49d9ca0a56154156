"""Errors of intake."""

from contracts.errors import Conflict, Invalid


class Superseded(Exception):
    """A newer position, or a withdrawal, was released first."""


class UnknownItem(Invalid):
    """A withdrawal or a correction of an item that has no positions."""


class BrokenItem(Conflict):
    """The acts of an item in the editorial log can't be read, or contradict each other.

    Loa is at fault, not the event or the person.
    """

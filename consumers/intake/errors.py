"""Errors of intake."""

from contracts.errors import Invalid


class Superseded(Exception):
    """A newer position, or a withdrawal, was released first."""


class UnknownItem(Invalid):
    """A withdrawal or a correction of an item that has no positions."""

"""Errors of intake."""

from contracts.errors import Invalid


class Superseded(Exception):
    """A newer position, or a withdrawal, was released first."""


class NothingToWithdraw(Invalid):
    """A withdrawal of an item that has no positions."""

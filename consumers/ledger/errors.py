"""Errors of the ledger."""

from consumers.ledger.entry import LedgerEntry
from producers.bus.records import Versioned


class LedgerError(Exception):
    """The ledger breaks its own rules; an operator has to act."""


class ConcurrentUpdate(Exception):
    """Another write came first; `current` is the entry now."""

    def __init__(self, current: Versioned[LedgerEntry]) -> None:
        super().__init__(current.value.owner)
        self.current = current


class UnreadableValue(ValueError):
    """A ledger value that this version can't read."""

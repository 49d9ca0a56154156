"""Errors of the ledger."""

from consumers.ledger.entry import LedgerEntry, Versioned


class LedgerError(Exception):
    """The ledger does not hold what its own rules promise; an operator has to look."""


class ConcurrentUpdate(Exception):
    """Somebody else's write came first; `state` is what stands now."""

    def __init__(self, current: Versioned[LedgerEntry]) -> None:
        super().__init__(current.value.owner)
        self.current = current


class UnreadableValue(ValueError):
    """A ledger value that this version can't read."""

"""Errors of sealed records."""

from contracts.errors import FieldError, Invalid
from producers.bus import BusError


class NotSealed(Invalid, BusError):
    """Loa did not write a record, by its seal; `revision`: where it is stored.

    A message that needs the record becomes a dead letter; a background task tries again later, as
    after other errors of the bus.
    """

    def __init__(self, error: FieldError, revision: int) -> None:
        super().__init__(error)
        self.revision = revision

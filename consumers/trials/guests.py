"""Guests of units: their addresses, encrypted for the unit with a key of the key file."""

from collections.abc import Callable
from datetime import datetime

from consumers.errors import KeyFileBroken
from consumers.staff.mail.addresses import StaffAddresses
from contracts import keys
from contracts.subscriptions.transactional import mask_address
from contracts.trials.records import Guest

UNREADABLE = "?"
_PURPOSE = "trial guests"
_ID_LENGTH = 20


class GuestAddresses:
    """Encrypts addresses, each bound to its unit. *derive* returns the key of a purpose."""

    def __init__(self, derive: Callable[[str], bytes]) -> None:
        self._addresses = StaffAddresses(derive, _PURPOSE)

    def guest(self, unit: str, address: str, added: datetime) -> Guest:
        """A guest, with the same id for the same unit and address. Raises Invalid."""
        encrypted = self._addresses.encrypt(unit, address)
        return Guest(id=keys.digest(encrypted)[:_ID_LENGTH], address=encrypted, added=added)

    def read(self, unit: str, guest: Guest) -> str:
        """The address. Raises KeyFileBroken for one of another key, or of another unit."""
        return self._addresses.decrypt(unit, guest.address)

    def masked(self, unit: str, guest: Guest) -> str:
        """The masked address; `?` for one that can't be read."""
        try:
            return mask_address(self.read(unit, guest))
        except KeyFileBroken:
            return UNREADABLE

"""Where a row's recipient is reached, asked anew for every window."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Contact(NamedTuple):
    """A recipient's address and name at this moment; `barred`: why nothing may be sent there."""

    id: str
    address: str = ""
    name: str = ""
    barred: str = ""


class Addresses(Protocol):
    """Looks up recipients; one that is not in the answer is gone."""

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        """Raises Later when the answer could be stale: look-up failed is not gone."""


class Places:
    """Recipients that are places, not people: the portal, the Official Account."""

    def lookup(self, ids: Sequence[str]) -> Mapping[str, Contact]:
        return {id: Contact(id) for id in ids}

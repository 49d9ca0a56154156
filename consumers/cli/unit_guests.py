"""The guests of units' trials, as commands show them."""

import time
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, PlainSerializer

from consumers.cli.stores import normalized_address, open_keys, open_registry
from consumers.trials.guests import GuestAddresses
from contracts.base.times import utc_now
from contracts.subscriptions.transactional import mask_address
from contracts.trials.records import Guest, GuestList
from producers.bus import Bus


class ListedGuest(BaseModel):
    """One guest in the answers of `guest` and `guests`.

    *address* is masked, and `?` for one that another key file has encrypted.
    """

    id: str
    address: str
    added: Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str)]


async def guest_of(bus: Bus, unit: str, address: str) -> tuple[Guest, str]:
    """A guest with this address, and the address as it is shown.

    Raises Invalid for no address, or an unregistered unit.
    """
    await open_registry(bus).require(unit)
    addresses = GuestAddresses((await open_keys(bus)).derive)
    normalized = normalized_address(address, "address").casefold()
    return addresses.guest(unit, normalized, utc_now(time.time)), mask_address(normalized)


async def find_guest(bus: Bus, unit: str, named: str) -> tuple[Guest, str]:
    """As `guest_of`, also by the id of a guest."""
    known = GuestList(guests=await open_registry(bus).trials.guests(unit)).find(named)
    if known is None:
        return await guest_of(bus, unit, named)
    return known, GuestAddresses((await open_keys(bus)).derive).masked(unit, known)


async def list_guests(bus: Bus, unit: str) -> list[ListedGuest]:
    """The guests of a registered unit. Raises Invalid, KeyFileBroken without the key file."""
    registry = open_registry(bus)
    await registry.require(unit)
    addresses = GuestAddresses((await open_keys(bus)).derive)
    return [
        ListedGuest(id=one.id, address=addresses.masked(unit, one), added=one.added)
        for one in await registry.trials.guests(unit)
    ]

"""The guests of units' trials, as commands show them."""

import time
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, PlainSerializer

from consumers.cli.stores import normalized_address, open_keys, open_registry
from consumers.trials.guests import GuestAddresses
from contracts.base.times import utc_now
from contracts.subscriptions.transactional import mask_address
from contracts.trials.records import Guest
from producers.bus import Bus


class ListedGuest(BaseModel):
    """One guest in the answers of `guest` and `guests`; *address* is masked."""

    id: str
    address: str
    added: Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str)]


async def guest_of(bus: Bus, unit: str, address: str) -> Guest:
    """A guest with this address. Raises Invalid for no address, or an unregistered unit."""
    await open_registry(bus).require(unit)
    addresses = GuestAddresses((await open_keys(bus)).derive)
    normalized = normalized_address(address, "address").casefold()
    return addresses.guest(unit, normalized, utc_now(time.time))


async def list_guests(bus: Bus, unit: str) -> list[ListedGuest]:
    """The guests of a registered unit. Raises Invalid, KeyFileBroken."""
    registry = open_registry(bus)
    await registry.require(unit)
    addresses = GuestAddresses((await open_keys(bus)).derive)
    return [
        ListedGuest(id=one.id, address=mask_address(addresses.read(unit, one)), added=one.added)
        for one in await registry.trials.guests(unit)
    ]

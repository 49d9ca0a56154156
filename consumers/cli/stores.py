"""Stores that commands open with this machine's key file, once it is proven to be the bus's."""

import time

from consumers.app.settings import LoaSettings, read_settings
from consumers.cli.output import require_name
from consumers.key_file import KeyFile, open_key_file
from consumers.messages import field_error
from consumers.seals.publications import PublicationSeals
from consumers.seals.takeover import SealRecords
from consumers.subscribers.store import SubscriberStore
from consumers.subscribers.validation import normalize_email
from consumers.suppression.store import SuppressionStore
from contracts.delivery import ChannelName
from contracts.errors import Invalid
from producers.bus import Bus


async def open_keys(bus: Bus) -> KeyFile:
    """Raises Invalid for the key of other data."""
    return await open_key_file(bus, read_settings(LoaSettings).key_file)


async def open_seals(bus: Bus) -> PublicationSeals:
    """Raises Invalid for the key of other data."""
    file = read_settings(LoaSettings).seals_file
    return await SealRecords(bus, await open_keys(bus), file).open_or_take_over(time.time)


async def find_seals(bus: Bus) -> PublicationSeals | None:
    """The seals, if this machine has the key of the data, and Loa has taken the data over."""
    settings = read_settings(LoaSettings)
    if not settings.key_file.exists():
        return None
    try:
        keys = await open_keys(bus)
    except Invalid:  # the key of other data: what it verifies would be wrong
        return None
    return await SealRecords(bus, keys, settings.seals_file).load()


async def open_subscribers(bus: Bus) -> SubscriberStore:
    """Raises Invalid for the key of other data."""
    return SubscriberStore.from_key_file(bus, await open_keys(bus))


async def open_suppressions(bus: Bus) -> SuppressionStore:
    """Raises Invalid for the key of other data."""
    return SuppressionStore.from_key_file(bus, await open_keys(bus))


async def lift_suppression(bus: Bus, channel: ChannelName, address: str, by: str) -> None:
    """Lift the suppression of *address*. Raises Invalid without one, or without a name."""
    name = require_name(by)
    if not await (await open_suppressions(bus)).lift(channel, address, by=name):
        raise Invalid(field_error("address", "not_suppressed"))


def normalized_address(address: str, field: str = "email") -> str:
    """The address in the form that is stored. Raises Invalid for *field* if it is no address."""
    clean, errors = normalize_email(address)
    if errors:
        raise Invalid(*(error.model_copy(update={"field": field}) for error in errors))
    return clean

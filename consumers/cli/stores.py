"""Stores that commands open, most with this machine's key file, proven to be the bus's.

Each function imports its own store: a command opens one of them, and waits for no other.
"""

import time
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from consumers.app import instance
from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.audit.anchor import Anchor
from consumers.audit.errors import AnchorBroken
from consumers.audit.heads import HeadWriter
from consumers.audit.log import AuditLog
from consumers.audit.signed import signing_key
from consumers.errors import KeyFileBroken
from consumers.key_file import KeyFile, open_key_file
from consumers.runtime.store_check import store_problem
from consumers.seals.publications import PublicationSeals
from consumers.seals.takeover import SealRecords
from contracts.base.times import utc_now
from contracts.errors import Invalid
from producers.bus import Bus, NoReply

if TYPE_CHECKING:
    from consumers.editorial.log import EditorialLog
    from consumers.subscribers.store import SubscriberStore
    from consumers.suppression.store import SuppressionStore
    from producers.units.registry import UnitRegistry


def open_registry(bus: Bus) -> "UnitRegistry":
    """The units that may send, by this machine's vocabulary."""
    from producers.units.registry import UnitRegistry

    return UnitRegistry(bus, load_vocabulary(read_settings(LoaSettings)), time.time)


def open_anchor(bus: Bus) -> Anchor:
    """The anchor of this machine; it may have none yet."""
    settings = read_settings(LoaSettings)
    return Anchor(bus, settings.bus_state_file, settings.key_file, time.time, _bus_trouble)


async def _bus_trouble(bus: Bus) -> str:
    """Why the bus can't store: what the Loa that runs here says of it, or a test message."""
    from consumers.status.facts import reported_by

    running, failing = instance.announced_instance(read_settings(LoaSettings)), dict[str, str]()
    if running:
        with suppress(NoReply):
            failing, _ = await reported_by(running.url)
    return failing.get("nats") or await store_problem(bus)


def open_editorial_log(bus: Bus) -> "EditorialLog":
    """The editorial log; starts from this machine's `open-items.json`, and does not write it."""
    from consumers.editorial.log import EditorialLog
    from consumers.editorial.open_items_file import OpenItemsFile

    return EditorialLog(bus, OpenItemsFile(read_settings(LoaSettings).open_items_file))


async def accept_bus(bus: Bus) -> None:
    """Take the bus as it is for the right one, on all machines. Raises KeyFileBroken, BusError."""
    settings = read_settings(LoaSettings)
    try:
        await open_anchor(bus).accept()
    except AnchorBroken as error:
        raise KeyFileBroken(f"{settings.key_file} can't be used", settings.key_file) from error
    await _open_heads(bus).write(utc_now(time.time).date(), restarted=True)


async def compare_bus(bus: Bus) -> Anchor:
    """The anchor after a comparison. What shows no damage renews the anchor and the head."""
    anchor, settings = open_anchor(bus), read_settings(LoaSettings)
    anchor.damages = await anchor.examine()
    if not (anchor.damages or anchor.unjudged) and settings.key_file.exists():
        await anchor.renew()
        await _open_heads(bus).write_if_due()
    return anchor


def _open_heads(bus: Bus) -> HeadWriter:
    settings = read_settings(LoaSettings)
    key = signing_key(KeyFile.open(settings.key_file, create=False))
    return HeadWriter(AuditLog(bus, time.time), settings.audit_heads_file, key)


async def open_keys(bus: Bus) -> KeyFile:
    """Raises Invalid for the key of other data."""
    return await open_key_file(bus, read_settings(LoaSettings).key_file)


async def open_seals(bus: Bus) -> PublicationSeals:
    """Raises Invalid for the key of other data."""
    file = read_settings(LoaSettings).seals_file
    return await SealRecords(bus, await open_keys(bus), file).open_or_take_over(time.time)


async def _find_keys(bus: Bus) -> KeyFile | None:
    """The key of the data, if this machine has it: what another one verifies would be wrong."""
    if not read_settings(LoaSettings).key_file.exists():
        return None
    try:
        return await open_keys(bus)
    except Invalid:
        return None


async def find_seals(bus: Bus) -> PublicationSeals | None:
    """The seals, if this machine has the key of the data, and Loa has taken the data over."""
    keys, file = await _find_keys(bus), read_settings(LoaSettings).seals_file
    return await SealRecords(bus, keys, file).read_taken_over() if keys else None


async def find_ledger_cut(bus: Bus) -> datetime | None:
    """Up to when retention has removed notices from the ledger, if this machine can tell."""
    from consumers.operations.old_deliveries import load_ledger_cut

    keys = await _find_keys(bus)
    return await load_ledger_cut(bus, signing_key(keys)) if keys else None


async def open_subscribers(bus: Bus) -> "SubscriberStore":
    """Raises Invalid for the key of other data."""
    from consumers.subscribers.store import SubscriberStore

    return SubscriberStore.from_key_file(bus, await open_keys(bus))


async def open_suppressions(bus: Bus) -> "SuppressionStore":
    """Raises Invalid for the key of other data."""
    from consumers.suppression.store import SuppressionStore

    return SuppressionStore.from_key_file(bus, await open_keys(bus))


def normalized_address(address: str, field: str = "email") -> str:
    """The address in the form that is stored. Raises Invalid for *field* if it is no address."""
    from consumers.subscribers.validation import normalize_email

    clean, errors = normalize_email(address)
    if errors:
        raise Invalid(*(error.model_copy(update={"field": field}) for error in errors))
    return clean

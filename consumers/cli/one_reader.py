"""`loa trace --reader`: what became of an item for one reader. It never repeats the address."""

from datetime import UTC, datetime
from functools import partial

import typer

from consumers.app.settings import LoaSettings, read
from consumers.cli.answers import on_bus, print_json, print_said, print_table
from consumers.faults import fault
from consumers.readers.fate import EMAIL, Fate, OneReader
from consumers.readers.people import People
from consumers.readers.wishes import as_kept
from consumers.register import Register
from consumers.suppressions import Suppressions, left_alone
from consumers.vault import belonging
from contracts import keys
from contracts.errors import Invalid
from producers.bus import Bus


def tell_one(content_id: str, address: str, *, as_json: bool) -> None:
    """Print it. Exit code 2: the item, or the address, is unknown."""
    fate = on_bus(partial(look, content_id, address))
    if as_json:
        print_json(fate)
        return
    typer.echo(f"{content_id}, this reader, by mail:")
    if fate.mails:
        print_mails(fate)
    print_said(*fate.why, *fate.waits)
    if fate.suppressed:
        print_said(left_alone(fate.suppressed))


async def look(content_id: str, address: str, bus: Bus) -> Fate:
    """Raises Invalid, BusError or LedgerError."""
    if keys.is_personal(content_id) or keys.is_digest(content_id):
        raise Invalid(fault("reader", "reader_of_items", value=content_id))
    item = await Register(bus).item(content_id)
    if item is None:
        raise Invalid(fault("content_id", "item_unknown", value=content_id))
    clean, wrong = as_kept(address)
    if wrong:
        raise Invalid(*(one.model_copy(update={"field": "reader"}) for one in wrong))
    secret = await belonging(bus, read(LoaSettings).key_file)
    reader = await People.opened(bus, secret).by_address(clean)
    if reader is None:
        raise Invalid(fault("reader", "reader_unknown"))
    fate = await OneReader(bus, reader, datetime.now(UTC)).fate(content_id, item)
    stands = await Suppressions(bus, secret.derive("suppressions")).now(EMAIL, clean)
    return fate.model_copy(update={"suppressed": stands})


def print_mails(fate: Fate) -> None:
    print_table(
        ("revision", "in", "status", "in vain", "reason", "again at (UTC)", "came back"),
        [
            (
                one.revision,
                one.digest or "a mail of its own",
                one.status,
                one.attempts or "",
                one.reason,
                f"{one.due:%Y-%m-%d %H:%M:%S}" if one.due else "",
                one.came_back,
            )
            for one in fate.mails
        ],
    )

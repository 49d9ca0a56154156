"""`loa trace --reader`: the outcome of an item for one reader. The address is never repeated."""

from datetime import UTC, datetime
from functools import partial

import typer

from consumers.app.settings import LoaSettings, read_settings
from consumers.cli.output import print_field_texts, print_json, print_table, run_on_bus
from consumers.intake.repository import ItemRepository
from consumers.key_file import open_key_file
from consumers.messages import field_error
from consumers.reporting.reader_trace import EMAIL, ReaderTrace, ReaderTracer
from consumers.subscribers.store import SubscriberStore
from consumers.subscribers.validation import normalize_email
from consumers.suppression.store import SuppressionStore, describe_suppression
from contracts import keys
from contracts.errors import Invalid
from producers.bus import Bus


def print_reader_trace(content_id: str, address: str, *, as_json: bool) -> None:
    """Print it. Exit code 2: the item, or the address, is unknown."""
    fate = run_on_bus(partial(find_reader_trace, content_id, address))
    if as_json:
        print_json(fate)
        return
    typer.echo(f"{content_id}, this reader, by mail:")
    if fate.mails:
        print_mails(fate)
    print_field_texts(*fate.why, *fate.waits)
    if fate.suppressed:
        print_field_texts(describe_suppression(fate.suppressed))


async def find_reader_trace(content_id: str, address: str, bus: Bus) -> ReaderTrace:
    """Raises Invalid, BusError or LedgerError."""
    if keys.is_personal(content_id) or keys.is_digest(content_id):
        raise Invalid(field_error("reader", "reader_of_items", value=content_id))
    item = await ItemRepository(bus).item(content_id)
    if item is None:
        raise Invalid(field_error("content_id", "item_unknown", value=content_id))
    clean, wrong = normalize_email(address)
    if wrong:
        raise Invalid(*(one.model_copy(update={"field": "reader"}) for one in wrong))
    secret = await open_key_file(bus, read_settings(LoaSettings).key_file)
    reader = await SubscriberStore.from_key_file(bus, secret).find_by_address(clean)
    if reader is None:
        raise Invalid(field_error("reader", "reader_unknown"))
    fate = await ReaderTracer(bus, reader, datetime.now(UTC)).trace(content_id, item)
    suppression = await SuppressionStore(bus, secret.derive("suppressions")).find_active(
        EMAIL, clean
    )
    return fate.model_copy(update={"suppressed": suppression})


def print_mails(fate: ReaderTrace) -> None:
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

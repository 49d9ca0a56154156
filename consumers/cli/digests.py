"""`loa digests`: when the next ones come, what waits for them, and how the last ones went."""

import time
from collections.abc import Iterator
from datetime import datetime

from consumers.app.settings import read
from consumers.cli.answers import Json, complain, on_bus, print_json, print_table
from consumers.digests import noted
from consumers.digests.book import Book
from consumers.digests.calendar import Calendar
from consumers.digests.outlook import Forecast, Last, Outlook
from consumers.faults import fault
from consumers.ledger.store import Ledger
from consumers.register import Register
from consumers.story import Count
from consumers.trace import Trace
from contracts.vietnam import VIETNAM
from producers.bus import Bus

BESIDE = {"expected", "complete"}


def digests(as_json: Json = False) -> None:
    """For each rhythm: the next digest, its readers, what waits for it, and how the last one went.

    Times are Vietnam's. `loa mail preview --digest daily` shows the next mail itself.
    """
    found = on_bus(look)
    if as_json:
        print_json({"digests": [one.model_dump(mode="json") for one in found]})
        return
    print_table(
        ("frequency", "next", "readers", "items", "later", "last", "its mails"),
        [tuple(shown(one)) for one in found],
    )


async def look(bus: Bus) -> list[Outlook]:
    ledger = Ledger(bus)
    trace = Trace(Register(bus), ledger, time.time, Book(bus))
    return await Forecast(bus, ledger, await calendar(bus), time.time).outlook(trace.story)


async def calendar(bus: Bus) -> Calendar:
    """The running service's, else this shell's, with a word of warning."""
    if found := await noted.noted(bus):
        return found
    complain([fault("LOA_DIGEST_HOUR", "digest_hours_unknown")])
    return read(Calendar)


def shown(one: Outlook) -> Iterator[object]:
    yield one.frequency
    yield f"{at(one.next)}{', overdue: does `loa run digests` run?' if one.overdue else ''}"
    yield from (one.readers, one.items, one.later)
    yield from last(one.last) if one.last else ("none yet", "")


def last(one: Last) -> tuple[str, str]:
    again = f", edition {one.edition}" if one.edition > 1 else ""
    return f"{one.digest_id}: {one.items} items{again}", outcome(one.mails)


def outcome(mails: Count | None) -> str:
    """Only what there is of each, or that nobody is planned yet."""
    if mails is None:
        return "not planned yet"
    said = mails.model_dump(exclude=BESIDE)
    counts = [f"{count} {name}" for name, count in said.items() if count]
    state = "complete" if mails.complete else "under way"
    return ", ".join([state, *counts])


def at(moment: datetime) -> str:
    return f"{moment.astimezone(VIETNAM):%Y-%m-%d %H:%M}"

"""`loa digests`: when the next ones come, what waits for them, and how the last ones went."""

import time
from collections.abc import Iterator

from consumers.app.settings import read_settings
from consumers.cli.output import Json, print_answer, print_errors, print_table, run_on_bus
from consumers.digests import schedule
from consumers.digests.forecast import DigestForecast, DigestForecaster, LastDigest
from consumers.digests.schedule import DigestSchedule
from consumers.digests.store import DigestStore
from consumers.intake.repository import ItemRepository
from consumers.ledger.store import Ledger
from consumers.messages import field_error
from consumers.reporting.trace import TraceReader
from contracts.base.times import VIETNAM
from contracts.trace import StatusCounts
from producers.bus import Bus

_NOT_COUNTS = {"expected", "complete"}


def digests(as_json: Json = False) -> None:
    """For each rhythm: the next digest, its readers, what waits for it, and how the last one went.

    Times are Vietnam's. `loa mail preview --digest daily` shows the next mail itself.
    """
    found = run_on_bus(forecast)
    columns = ("frequency", "next", "readers", "items", "later", "last", "its mails")
    rows = (tuple(_forecast_cells(one)) for one in found)
    print_answer({"digests": found}, as_json, lambda: print_table(columns, rows))


async def forecast(bus: Bus) -> list[DigestForecast]:
    ledger = Ledger(bus)
    trace = TraceReader(ItemRepository(bus), ledger, time.time, DigestStore(bus))
    forecaster = DigestForecaster(bus, ledger, await digest_calendar(bus), time.time)
    return await forecaster.forecast(trace.trace)


async def digest_calendar(bus: Bus) -> DigestSchedule:
    """The running service's schedule, else this shell's, with a warning."""
    if found := await schedule.load_published_schedule(bus):
        return found
    print_errors([field_error("LOA_DIGEST_HOUR", "digest_hours_unknown")])
    return read_settings(DigestSchedule)


def _forecast_cells(one: DigestForecast) -> Iterator[object]:
    at = f"{one.next.astimezone(VIETNAM):%Y-%m-%d %H:%M}"
    yield one.frequency
    yield at + (", overdue: does `loa run digests` run?" if one.overdue else "")
    yield from (one.readers, one.items, one.later)
    yield from _last_digest_cells(one.last) if one.last else ("none yet", "")


def _last_digest_cells(one: LastDigest) -> tuple[str, str]:
    again = f", edition {one.edition}" if one.edition > 1 else ""
    return f"{one.digest_id}: {one.items} items{again}", _counts_text(one.mails)


def _counts_text(mails: StatusCounts | None) -> str:
    """The counts that are not zero, or that the digest is not planned yet."""
    if mails is None:
        return "not planned yet"
    said = mails.model_dump(exclude=_NOT_COUNTS)
    counts = [f"{count} {name}" for name, count in said.items() if count]
    state = "complete" if mails.complete else "under way"
    return ", ".join([state, *counts])

"""`loa digests`: the next digests, the items that wait for them, and the last ones."""

import time
from collections.abc import Iterator

from pydantic import BaseModel

from consumers.app.settings import read_settings
from consumers.cli.output import Json, page, print_answer, print_errors, print_table, run_on_bus
from consumers.cli.stores import open_keys
from consumers.digests import schedule
from consumers.digests.forecast import DigestForecast, DigestForecaster, LastDigest
from consumers.digests.schedule import DigestSchedule
from consumers.ledger.store import Ledger
from consumers.messages import field_error
from consumers.reporting.trace import TraceReader
from contracts.catalog import count_of
from contracts.text.moments import format_for_people
from contracts.trace import StatusCounts
from producers.bus import Bus


class DigestsAnswer(BaseModel):
    """The answer of `digests`."""

    digests: list[DigestForecast]


@page(DigestsAnswer)
def digests(as_json: Json = False) -> None:
    """Show the next digest of each rhythm, its readers, what waits, and how the last one went.

    Times are Vietnam's. `loa mail preview --digest daily` shows the next mail itself.
    """
    forecasts = run_on_bus(_forecast)
    columns = ("frequency", "next", "readers", "items", "later", "last", "its mails")
    rows = (tuple(_forecast_cells(forecast)) for forecast in forecasts)
    answer = DigestsAnswer(digests=forecasts)
    print_answer(answer, as_json, lambda: print_table(columns, rows))


async def _forecast(bus: Bus) -> list[DigestForecast]:
    await open_keys(bus)  # it opens the readers' records
    forecaster = DigestForecaster(bus, Ledger(bus), await digest_calendar(bus), time.time)
    return await forecaster.forecast(TraceReader(bus).trace)


async def digest_calendar(bus: Bus) -> DigestSchedule:
    """The running service's schedule, else this shell's, with a warning."""
    if published := await schedule.load_published_schedule(bus):
        return published
    print_errors([field_error("LOA_DIGEST_HOUR", "digest_hours_unknown")])
    return read_settings(DigestSchedule)


def _forecast_cells(forecast: DigestForecast) -> Iterator[object]:
    at = format_for_people(forecast.next)
    yield forecast.frequency
    yield at + (", overdue: does `loa run digests` run?" if forecast.overdue else "")
    yield from (forecast.readers, forecast.items, forecast.later)
    yield from _last_digest_cells(forecast.last) if forecast.last else ("none yet", "")


def _last_digest_cells(last: LastDigest) -> tuple[str, str]:
    edition = f", edition {last.edition}" if last.edition > 1 else ""
    return f"{last.digest_id}: {count_of(last.items, 'item')}{edition}", _counts_text(last.mails)


def _counts_text(mails: StatusCounts | None) -> str:
    """The counts that are not zero; without counts, the digest is not planned yet."""
    if mails is None:
        return "not planned yet"
    counts = mails.model_dump(exclude={"expected", "complete"}).items()
    state = "complete" if mails.complete else "under way"
    return ", ".join([state, *(f"{count} {name}" for name, count in counts if count)])

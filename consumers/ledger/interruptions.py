"""Interrupted deliveries as timeline entries: they explain `maybe_duplicate`."""

from collections.abc import Iterable, Iterator

from consumers.ledger.doubts import Doubt, DoubtCause
from contracts.base.times import format_utc, utc_time
from contracts.catalog import count_of
from contracts.delivery import ChannelName
from contracts.trace import TimelineEntry

INTERRUPTED = "interrupted"
_MAX_SHOWN = 10
_CAUSES = {
    DoubtCause.ENDED: "worker {worker} ended while it sent them (crash, kill or power cut){seen}",
    DoubtCause.TAKEN_OVER: "worker {worker} was silent until its lease was taken over{seen}",
    DoubtCause.BUS_SILENT: "the bus did not take in time what worker {worker} had sent{seen}",
    DoubtCause.UNANSWERED: "no answer: {detail}",
    DoubtCause.RESTORED: "restored from a backup; may have been sent after it was made",
}


def interruption_entries(channel: ChannelName, doubts: Iterable[Doubt]) -> Iterator[TimelineEntry]:
    """One entry for each cause, with the rows that it left in doubt in all batches."""
    causes: dict[tuple[DoubtCause, str], list[Doubt]] = {}
    for doubt in doubts:
        causes.setdefault((doubt.cause, doubt.detail), []).append(doubt)
    for same in sorted(causes.values(), key=_first_at)[:_MAX_SHOWN]:
        rows = count_of(sum(one.rows for one in same), "row")
        detail = f"{rows} in doubt: {_describe(same[0], max(one.seen for one in same))}"
        at = utc_time(_first_at(same))
        yield TimelineEntry(at=at, event=INTERRUPTED, channel=channel, detail=detail)


def _first_at(same: Iterable[Doubt]) -> float:
    return min(one.at for one in same)


def _describe(doubt: Doubt, seen: float) -> str:
    """The cause in words; of a worker only its slot, and when it last wrote."""
    last = f"; last sign of life {format_utc(utc_time(seen))}" if seen > 0 else ""
    worker = doubt.detail.partition("#")[0] or "?"
    return _CAUSES[doubt.cause].format(worker=worker, seen=last, detail=doubt.detail or "?")

"""The timeline of a trace in the words, times and language of the person at the terminal."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from consumers.messages import translate
from contracts.catalog import load_texts
from contracts.delivery import ChannelName
from contracts.errors import WHOLE_EVENT
from contracts.text.moments import format_for_people
from contracts.trace import TimelineEntry
from producers.output import in_one_line, in_reading_order, reads_vietnamese

_UTC_TIME = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?: UTC|Z)")
_SPAN = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d)\b(?!:)")
"""An end of the time that a digest is about, in UTC."""
_UNTIL = re.compile(rf"{_UTC_TIME.pattern}|\d\d:\d\d UTC")
_ONE_OF_MANY = re.compile(r"\b1 (recipient|row|item)s\b")
_PLANNED = re.compile(r"\b([12]) recipients?\b")
_PLANNED_NAMES: Mapping[ChannelName | None, Mapping[str, str]] = {
    ChannelName.PORTAL: {"1": "the pages", "2": "the pages"},
    ChannelName.ZALO: {"1": "the article", "2": "the article and the broadcast"},
}
"""Names of the objects that these channels publish once, by the number of rows."""
_ROWS = re.compile(r"(\d+ rows?): (.+)")
_PATTERNS_FILE = Path(__file__).with_name("trace_timeline.toml")
Row = tuple[object, ...]


def timeline_rows(timeline: Sequence[TimelineEntry], names: Mapping[str, str]) -> list[Row]:
    """The table's rows; *names*: of accounts, by id."""
    plans = {entry.detail for entry in timeline if entry.event == "not_released"}
    return [row for entry in timeline for row in _rows(entry, names, plans)]


def _rows(entry: TimelineEntry, names: Mapping[str, str], plans: Collection[str]) -> Iterator[Row]:
    """The rows of an entry, with its errors and warnings in both languages.

    *plans*: the revisions that changed a plan alone, and correct nothing.
    """
    kind, _, revision = entry.detail.partition(", ")
    is_plan = entry.event == "received" and kind == "corrected" and revision in plans
    detail = f"plan changed, {revision}" if is_plan else _in_words(entry)
    by = f", by {names.get(entry.by, entry.by)}" if entry.by else ""
    shown = in_words_of_reader(detail) + (by.replace(", by ", ", do ", 1) if _is_vi() else by)
    yield entry.at, _event_words(entry.event), entry.channel or "", shown
    for error in (*entry.errors, *entry.warnings):
        prefix = "" if error.field == WHOLE_EVENT else f"{error.field}: "
        for text in in_reading_order(error.message, error.message_vi):
            if text not in entry.detail:
                yield "", "", "", prefix + text


def _is_vi() -> bool:
    return reads_vietnamese.get()()


def _event_words(event: str) -> str:
    """An event of the timeline in both languages, if there is a word for it."""
    vi = translate(event).vi
    return event if vi == f"“{event}”" else in_one_line(event, vi)


def _in_words(entry: TimelineEntry) -> str:
    """The detail of an entry, whose form is fixed, in the words and times of people here."""

    def in_vietnam(found: re.Match[str]) -> str:
        at = entry.until or datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
        return format_for_people(at)

    pattern = _SPAN if entry.event == "cut" else _UNTIL if entry.until else _UTC_TIME
    named = _ONE_OF_MANY.sub(r"1 \1", pattern.sub(in_vietnam, entry.detail))
    if entry.event != "planned" or entry.channel not in _PLANNED_NAMES:
        return named
    return _PLANNED.sub(lambda found: _PLANNED_NAMES[entry.channel][found[1]], named)


def in_words_of_reader(detail: str) -> str:
    """*detail* in the language of the person; unknown parts stay in English."""
    if not _is_vi():
        return detail
    if (rows := _ROWS.fullmatch(detail)) and not (vi := translate(rows[2]).vi).startswith("“"):
        detail = f"{rows[1]}: {vi}"
    for pattern, vi in _patterns():
        detail = pattern.sub(vi, detail)
    return detail


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Parts of details, each with its Vietnamese form, in the order in which they are replaced."""
    return [(re.compile(one["en"]), one["vi"]) for one in load_texts(_PATTERNS_FILE).values()]

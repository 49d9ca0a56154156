"""`loa subscribers list`, `count`, and the export of all as CSV."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import structlog
import typer
from pydantic import BaseModel

from consumers.cli import output, stores
from consumers.cli.acts import By, Command, look, record, run_audited
from consumers.cli.filters import Limit, Since, check_topic, require_time
from consumers.cli.unit_keys import require_new_file
from consumers.messages import field_error
from consumers.private_files import new_file
from consumers.reporting.reader_list import (
    EVERYTHING,
    Reader,
    ReaderCounts,
    ReaderFilter,
    ReaderLister,
    ReaderState,
)
from consumers.staff.authorization import Actor
from consumers.subscribers.csv_rows import CSV_COLUMNS, format_row
from consumers.zalo.followers import FollowerStore
from contracts.text.moments import format_for_people
from producers.bus import Bus

log = structlog.get_logger()
_BOM = b"\xef\xbb\xbf"
Topic = Annotated[str, typer.Option(metavar="TOPIC", help="Readers who get this topic.")]
ReaderChannel = Annotated[
    Literal["email", "zalo"] | None, typer.Option(help="Those on this channel.")
]
State = Annotated[
    ReaderState | None, typer.Option(help="What they are; unknown: only wrote on Zalo.")
]
Contacts = Annotated[
    bool, typer.Option("--contacts", help="Also addresses and names; this is recorded.")
]
Bom = Annotated[bool, typer.Option("--bom", help="Begin with a byte order mark, for spreadsheets.")]


class ReadersAnswer(BaseModel):
    """Readers, the last changed first; `more`: others are beyond the limit."""

    readers: list[Reader]
    more: bool = False


class CsvExport(BaseModel):
    """How many readers are in the file, and how many records could not be read."""

    file: Path
    readers: int
    unreadable: int = 0


class Criteria(NamedTuple):
    """Criteria that the options give."""

    topic: str
    channel: str | None
    state: ReaderState | None
    since: str

    def to_filter(self) -> ReaderFilter:
        """Raises Invalid for a word that none of the lists has."""
        check_topic(self.topic)
        since = require_time("since", self.since) if self.since else None
        return ReaderFilter(self.topic, self.channel or "", self.state or "", since)


@output.page(ReadersAnswer, examples=("loa subscribers list --state left --since 7d",))
def list_readers(
    topic: Topic = "",
    channel: ReaderChannel = None,
    state: State = None,
    since: Since = "",
    limit: Limit = 50,
    contacts: Contacts = False,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """List readers by opaque id, the last changed first: channel, state, topics, since when.

    Addresses and names come only with --contacts, which takes the role that manages readers.
    """
    with output.explain_errors():
        wanted = Criteria(topic, channel, state, since).to_filter()

    async def load(bus: Bus) -> ReadersAnswer:
        if contacts:
            await record(bus, Command("subscribers.find", "*", by, after=wanted.to_text()))
        else:
            await look(bus, "subscribers.list", "", by)
        return await _load_readers(await _open_lister(bus, wanted), limit)

    answer = output.run_on_bus(load)
    if not contacts:
        answer.readers = [reader.without_contact() for reader in answer.readers]
    output.print_answer(answer, as_json, lambda: _print_readers(answer, contacts=contacts))


async def _load_readers(lister: ReaderLister, limit: int) -> ReadersAnswer:
    readers: list[Reader] = []
    async for reader in lister.newest():
        if len(readers) == limit:
            return ReadersAnswer(readers=readers, more=True)
        readers.append(reader)
    return ReadersAnswer(readers=readers)


def _print_readers(answer: ReadersAnswer, *, contacts: bool) -> None:
    if not answer.readers:
        output.tell_empty()
    for reader in answer.readers:
        since = f"since {format_for_people(reader.since)}" if reader.since else ""
        facts = (reader.id, reader.channel, reader.state, reader.frequency, since)
        typer.echo(" ".join(filter(None, facts)))
        if contacts and reader.email:
            typer.echo(f"  {reader.email} {output.visible(reader.name)}".rstrip())
        if reader.topics:
            typer.echo(f"  {', '.join(reader.topics)}")
    if answer.more:
        output.print_field_texts(field_error("subscribers", "items_more"))


@output.page(ReaderCounts, examples=("loa subscribers count --topic viec-lam",))
def count_readers(
    topic: Topic = "",
    channel: ReaderChannel = None,
    state: State = None,
    since: Since = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Count readers by channel and state; those by e-mail also by topic and frequency."""
    with output.explain_errors():
        wanted = Criteria(topic, channel, state, since).to_filter()

    async def load(bus: Bus) -> ReaderCounts:
        await look(bus, "subscribers.list", "", by)
        return await (await _open_lister(bus, wanted)).count()

    counts = output.run_on_bus(load)
    output.print_answer(counts, as_json, lambda: _print_counts(counts))


def _print_counts(counts: ReaderCounts) -> None:
    rows: list[tuple[str, str, int]] = [
        (channel, state, number)
        for channel, states in counts.channels.items()
        for state, number in states.items()
    ]
    for topic, number in counts.topics.items():
        rows.append(("topic", "all of them" if topic == EVERYTHING else topic, number))
    rows += [("frequency", frequency, number) for frequency, number in counts.frequencies.items()]
    output.print_table(("", "", "readers"), [*rows, ("total", "", counts.total)])


def export_csv(criteria: Criteria, out: Path, by: str, *, bom: bool) -> CsvExport:
    """Write the readers of *criteria* who have an address to a new file that its owner can read.

    Exits with 2 for wrong criteria and a file that is there already.
    """
    with output.explain_errors():
        wanted = criteria.to_filter()
        require_new_file(out)

    async def work(bus: Bus, _: Actor) -> CsvExport:
        lister = await _open_lister(bus, wanted)
        with new_file(out) as file:
            file.write(_BOM if bom else b"")
            text = io.TextIOWrapper(file, "utf-8", newline="", write_through=False)
            readers = await _write_rows(lister, text)
            text.flush()
            text.detach()
        return CsvExport(file=out, readers=readers, unreadable=lister.unreadable)

    done = run_audited(Command("subscribers.export", "*", by, after=wanted.to_text()), work)
    log.info("subscribers_exported", readers=done.readers, unreadable=done.unreadable)
    return done


async def _write_rows(lister: ReaderLister, text: io.TextIOWrapper) -> int:
    rows, count = csv.writer(text), 0
    rows.writerow(CSV_COLUMNS)
    async for subscriber in lister.active_subscribers():
        rows.writerow(format_row(subscriber))
        count += 1
    return count


async def _open_lister(bus: Bus, wanted: ReaderFilter) -> ReaderLister:
    subscribers = await stores.open_subscribers(bus)
    followers = FollowerStore.from_key_file(bus, await stores.open_keys(bus))
    return ReaderLister(subscribers, followers, wanted, datetime.now(UTC))

"""`loa facts`: the numbers that reports are made of, and the proof that they say what happened."""

import time
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict

from consumers.cli import output
from consumers.cli.stores import find_seals, open_seals, open_subscribers
from consumers.editorial.log import EditorialLog
from consumers.facts.all_sources import PeopleBuckets, fact_sources
from consumers.facts.compare import Difference, differences
from consumers.facts.follow import FactCounts, FactFollower
from consumers.facts.store import FactStore, StoredFact
from consumers.messages import field_error
from consumers.seals.publications import PublicationSeals
from contracts import subjects
from contracts.facts import Fact, FactKind
from producers.bus import Bus

app = typer.Typer(
    no_args_is_help=True, help="List the facts that reports count, rebuild and compare them."
)
Kind = Annotated[FactKind | None, typer.Option(help="Only facts of this kind.")]
Since = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Only from this day in Vietnam on."),
]
_COLUMNS = ("day", "key", "facts")


class ListedFact(BaseModel):
    """A fact as it is now. *seq*: its message in FACTS; *facts*: what it says, by its kind."""

    model_config = ConfigDict(frozen=True)

    key: str
    kind: FactKind
    day: date
    seq: int
    facts: Mapping[str, Any]


class ComparisonAnswer(BaseModel):
    """The answer of `compare`. *stored*, *wanted*: what the fact says, and its source."""

    ok: bool
    compared: dict[FactKind, int]
    differences: list[Difference]


@app.command("list")
@output.page(list[ListedFact], examples=("loa facts list --kind delivery --since 2026-11-01",))
def list_facts(kind: Kind = None, since: Since = None, as_json: output.Json = False) -> None:
    """List the facts as they are now, oldest day first; they name no person."""

    async def load(bus: Bus) -> list[ListedFact]:
        newest = await FactStore(bus).newest(kind or "")
        listed = [_listed(one.fact, one) for one in newest.values() if one.fact]
        first = since.date() if since else date.min
        wanted = (one for one in listed if one.day >= first)
        return sorted(wanted, key=lambda one: (one.day, one.key))

    found = output.run_on_bus(load)
    rows = [(one.day, one.key, one.facts) for one in found]
    output.print_answer(found, as_json, lambda: output.print_table(_COLUMNS, rows))


def _listed(fact: Fact, stored: StoredFact) -> ListedFact:
    named = {"key": fact.key, "kind": fact.kind, "day": fact.day, "seq": stored.seq}
    return ListedFact(**named, facts=fact.model_dump(mode="json", exclude_none=True))


class RebuildAnswer(BaseModel):
    """The facts that `rebuild` found in one source, and those that were missing or differed."""

    derived: int
    written: int


@app.command()
@output.page(dict[str, RebuildAnswer])
def rebuild(as_json: output.Json = False) -> None:
    """Write anew every fact whose source is still there; others stay. Repeatable."""

    async def work(bus: Bus) -> dict[str, FactCounts]:
        seals, subscribers = await open_seals(bus), await open_subscribers(bus)
        people = PeopleBuckets(subscribers.bucket, bus.bucket(subjects.FOLLOWERS.name))
        return await _follower(bus, seals, people).rebuild()

    counts = output.act_on_bus(work)
    answer = {name: RebuildAnswer(**one._asdict()) for name, one in counts.items()}
    rows = [(name, one.derived, one.written) for name, one in counts.items()]
    output.print_answer(
        answer, as_json, lambda: output.print_table(("source", "derived", "written"), rows)
    )


def _follower(
    bus: Bus, seals: PublicationSeals | None, people: PeopleBuckets | None = None
) -> FactFollower:
    store, clock = FactStore(bus), time.time
    return FactFollower(store, fact_sources(store, EditorialLog(bus), clock, seals, people), clock)


@app.command()
@output.page(
    ComparisonAnswer,
    {output.EXIT_NEEDS_PERSON: "a fact is missing, or says something else than its source"},
)
def compare(as_json: output.Json = False) -> None:
    """Compare every fact with the log, or the ledger, that it comes from."""
    answer = output.run_on_bus(_compare)

    def show() -> None:
        rows = [(one.key, one.problem, one.stored, one.wanted) for one in answer.differences]
        if rows:
            output.print_table(("fact", "problem", "stored", "wanted"), rows)
        code = "facts_differ" if rows else "facts_agree"
        count = len(rows) or sum(answer.compared.values())
        output.print_field_texts(field_error("facts", code, count=count))

    output.print_answer(answer, as_json, show)
    raise typer.Exit(0 if answer.ok else output.EXIT_NEEDS_PERSON)


async def _compare(bus: Bus) -> ComparisonAnswer:
    follower = _follower(bus, await find_seals(bus))
    found, compared = list[Difference](), dict[FactKind, int]()
    for source in follower.sources:
        compared[source.kind] = len(await follower.store.newest(source.kind))
        found += [one async for one in differences(follower.store, source)]
    return ComparisonAnswer(ok=not found, compared=compared, differences=found)

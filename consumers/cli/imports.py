"""`loa import`: reading the feeds of units that send nothing themselves."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from consumers.app import imports
from consumers.app.settings import ImportSettings, LoaSettings, read, vocabulary
from consumers.cli import import_tables
from consumers.cli.answers import INVALID, Json, explained, on_bus, print_json
from contracts.delivery import ChannelName
from contracts.errors import FieldError, Invalid, explain, shown
from contracts.vietnam import VIETNAM
from producers.bus import Bus
from producers.imports.feed import EVERY_MIN, LOOK_BACK, MOST, Feed
from producers.imports.round import Wish, setting_fault
from producers.imports.state import FeedState, States, key_of
from producers.imports.trial import Trial, any_feed, tried
from producers.registry import Member, Registry
from producers.wording import say

app = typer.Typer(no_args_is_help=True, help="Items read from the feeds of units' own sites.")
TYPED = {
    "topic": "--topic",
    "audiences": "--audience",
    "channels": "--channel",
    "since": "--since",
    "every_min": "--every",
    "most": "--most",
}
"""What a setting of a feed is called on the command line."""

Unit = Annotated[str, typer.Argument(help="The unit's id.")]
Url = Annotated[str, typer.Argument(help="The feed's address.")]
Topic = Annotated[str, typer.Option(help="The topic that its items get.")]
Audience = Annotated[list[str] | None, typer.Option(help="Who they are for; none: everyone.")]
Channel = Annotated[list[ChannelName] | None, typer.Option(help="Where they go; none: everywhere.")]
Since = Annotated[str, typer.Option(help="The first day, e.g. 2026-11-01; else two days ago.")]
All = Annotated[bool, typer.Option("--all", help="Older items, too, for the portal alone.")]
Every = Annotated[int, typer.Option(help="Minutes between two visits, at least.")]
Most = Annotated[int, typer.Option(help="More items at once are held until you have looked.")]
Replace = Annotated[bool, typer.Option("--replace", help="Change what is set about this feed.")]
Held = Annotated[bool, typer.Option("--release", help="Send what is held, too.")]
Alone = Annotated[str, typer.Option(help="This feed alone.")]


@app.command()
def add(
    unit: Unit,
    url: Url,
    topic: Topic,
    audience: Audience = None,
    channel: Channel = None,
    since: Since = "",
    older: All = False,
    every: Every = EVERY_MIN,
    most: Most = MOST,
    replace: Replace = False,
) -> None:
    """Have a feed imported for a registered unit; one that can't be read now is added, too."""
    with explained(), as_typed():
        feed = Feed(
            url=url,
            topic=topic,
            audiences=tuple(audience or ()),
            channels=tuple(channel or ChannelName),
            since=first_day(since),
            backfill=older,
            every_min=every,
            most=most,
        )
        if wrong := setting_fault(unit, feed, vocabulary(read(LoaSettings))):
            raise Invalid(wrong)
    on_bus(lambda bus: follow(bus, unit, feed, replace))
    tell(unit, feed)


def tell(unit: str, feed: Feed) -> None:
    """What was set, and what lies there now."""
    import_tables.print_added(unit, feed)
    with explained():
        import_tables.print_first_look(unit, feed, asyncio.run(looked_at(feed)))


@contextmanager
def as_typed() -> Iterator[None]:
    """Errors name what was typed, not what a feed's settings are called inside."""
    try:
        yield
    except ValidationError as wrong:
        raise Invalid(*map(typed, explain(wrong))) from None
    except Invalid as wrong:
        raise Invalid(*map(typed, wrong.errors)) from None


def typed(error: FieldError) -> FieldError:
    name = TYPED.get(error.field.partition(".")[0], error.field)
    return error.model_copy(update={"field": name})


async def looked_at(feed: Feed) -> Trial:
    """What lies there now, without consequences."""
    settings = read(LoaSettings)
    ask = imports.site(read(ImportSettings), settings.public_url)
    return await tried(ask, feed, vocabulary(settings), datetime.now(UTC))


async def follow(bus: Bus, unit: str, feed: Feed, replace: bool) -> None:
    """Other settings make another reading of what lies there: nothing of the last one counts."""
    await registry(bus).follow(unit, feed, replace=replace)
    await States(bus).forget(unit, feed)


@app.command()
def remove(unit: Unit, url: Url) -> None:
    """Have a feed imported no more. What it has brought stays."""

    async def unfollow(bus: Bus) -> None:
        [(_, feed)] = await followed(bus, unit, url)
        await registry(bus).unfollow(unit, feed.feed_id)
        await States(bus).forget(unit, feed)

    on_bus(unfollow)
    typer.echo(f"{unit}: {url} is imported no more")


@app.command()
def status(as_json: Json = False) -> None:
    """Every feed: when it was read, what came of it, what is held, what is refused and why."""

    async def look(bus: Bus) -> list[dict[str, Any]]:
        states = await States(bus).every()
        members = await registry(bus).members()
        pairs = [(one.unit, feed) for one in members for feed in one.registration.feeds]
        return [
            import_tables.facts(unit, feed, states.get(key_of(unit, feed), FeedState()))
            for unit, feed in pairs
        ]

    answer(on_bus(look), as_json)


@app.command()
def now(unit: Unit, url: Alone = "", release: Held = False, as_json: Json = False) -> None:
    """Read a unit's feeds at once, and try again what was refused."""

    async def visit(bus: Bus) -> list[dict[str, Any]]:
        settings = read(LoaSettings)
        work = imports.importer(bus, vocabulary(settings), time.time, settings.public_url)
        answers = []
        for member, feed in await followed(bus, unit, url):
            open_now(feed, (await work.states.get(unit, feed)).state)
            state = await work.visit(member, feed, Wish(release))
            answers.append(import_tables.facts(unit, feed, state or FeedState()))
        return answers

    answers = on_bus(visit)
    answer(answers, as_json)
    if any(one["trouble"] for one in answers):
        raise typer.Exit(INVALID)


@app.command()
def check(url: Url, as_json: Json = False) -> None:
    """Read a feed and show what would become of it; nothing is stored, nothing is sent."""
    with explained():
        feed = any_feed(url, vocabulary(read(LoaSettings)), datetime.now(UTC))
        trial = asyncio.run(looked_at(feed))
    if as_json:
        print_json(trial)
    else:
        import_tables.print_trial(trial)
    if trial.trouble or any(one.errors for one in trial.items):
        raise typer.Exit(INVALID)


def answer(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        import_tables.print_status(found)


def first_day(said: str) -> datetime:
    """The start of a day in Vietnam, or two days ago. Raises Invalid."""
    if not said:
        return datetime.now(UTC) - LOOK_BACK
    try:
        day = datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=VIETNAM)
    except ValueError:
        raise Invalid(say("import", "not_a_day", value=shown(said)).about("since")) from None
    return day.astimezone(UTC)


def open_now(feed: Feed, state: FeedState) -> None:
    """Raises Invalid while the site has asked to be left alone."""
    if state.closed_until > time.time():
        until = f"{datetime.fromtimestamp(state.closed_until, UTC):%Y-%m-%d %H:%M}"
        raise Invalid(say("import", "asked_to_wait", until=until, url=feed.url).about("url"))


async def followed(bus: Bus, unit: str, url: str) -> list[tuple[Member, Feed]]:
    """The feeds of a unit, or the one at *url*. Raises Invalid for none."""
    found = await registry(bus).find(unit)
    if not found or not found.feeds:
        raise Invalid(say("import", "nothing_followed", unit=shown(unit)).about("unit"))
    wanted = Feed(url=url, topic="any").feed_id if url else ""
    feeds = [one for one in found.feeds if not url or one.feed_id == wanted]
    if not feeds:
        raise Invalid(say("import", "not_followed", url=shown(url)).about("url"))
    return [(Member(unit, found), one) for one in feeds]


def registry(bus: Bus) -> Registry:
    return Registry(bus, vocabulary(read(LoaSettings)), time.time)

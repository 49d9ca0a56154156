"""`loa import`: reading the feeds of units that send nothing themselves."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from consumers.app.settings import ImportSettings, LoaSettings, load_vocabulary, read_settings
from consumers.app.wiring import imports
from consumers.cli import import_output
from consumers.cli.output import EXIT_INVALID, Json, explain_errors, print_json, run_on_bus
from contracts.base.times import VIETNAM
from contracts.delivery import ChannelName
from contracts.errors import FieldError, Invalid, explain, printable
from producers.bus import Bus
from producers.imports.dry_run import DryRun, default_feed, dry_run
from producers.imports.feed_state import FeedState, FeedStateStore, state_key
from producers.imports.visit import ManualVisit, settings_error
from producers.texts import get_text
from producers.units.feed_settings import DEFAULT_EVERY_MIN, DEFAULT_MOST, LOOK_BACK, Feed
from producers.units.registry import RegisteredUnit, UnitRegistry

app = typer.Typer(no_args_is_help=True, help="Items read from the feeds of units' own sites.")
OPTION_NAMES = {
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
    every: Every = DEFAULT_EVERY_MIN,
    most: Most = DEFAULT_MOST,
    replace: Replace = False,
) -> None:
    """Have a feed imported for a registered unit; one that can't be read now is added, too."""
    with explain_errors(), with_option_names():
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
        if wrong := settings_error(unit, feed, load_vocabulary(read_settings(LoaSettings))):
            raise Invalid(wrong)
    run_on_bus(lambda bus: follow_feed(bus, unit, feed, replace))
    print_feed(unit, feed)


def print_feed(unit: str, feed: Feed) -> None:
    """What was set, and what lies there now."""
    import_output.print_added(unit, feed)
    with explain_errors():
        import_output.print_first_look(unit, feed, asyncio.run(run_trial(feed)))


@contextmanager
def with_option_names() -> Iterator[None]:
    """Errors name what was typed, not what a feed's settings are called inside."""
    try:
        yield
    except ValidationError as wrong:
        raise Invalid(*map(with_option_name, explain(wrong))) from None
    except Invalid as wrong:
        raise Invalid(*map(with_option_name, wrong.errors)) from None


def with_option_name(error: FieldError) -> FieldError:
    name = OPTION_NAMES.get(error.field.partition(".")[0], error.field)
    return error.model_copy(update={"field": name})


async def run_trial(feed: Feed) -> DryRun:
    """What lies there now, without consequences."""
    settings = read_settings(LoaSettings)
    ask = imports.open_fetcher(read_settings(ImportSettings), settings.public_url)
    return await dry_run(ask, feed, load_vocabulary(settings), datetime.now(UTC))


async def follow_feed(bus: Bus, unit: str, feed: Feed, replace: bool) -> None:
    """Other settings make another reading of what lies there: nothing of the last one counts."""
    await open_registry(bus).add_feed(unit, feed, replace=replace)
    await FeedStateStore(bus).forget(unit, feed)


@app.command()
def remove(unit: Unit, url: Url) -> None:
    """Have a feed imported no more. What it has brought stays."""

    async def unfollow(bus: Bus) -> None:
        [(_, feed)] = await followed_feeds(bus, unit, url)
        await open_registry(bus).remove_feed(unit, feed.feed_id)
        await FeedStateStore(bus).forget(unit, feed)

    run_on_bus(unfollow)
    typer.echo(f"{unit}: {url} is imported no more")


@app.command()
def status(as_json: Json = False) -> None:
    """Every feed: when it was read, what came of it, what is held, what is refused and why."""

    async def look(bus: Bus) -> list[dict[str, Any]]:
        states = await FeedStateStore(bus).read_all()
        members = await open_registry(bus).registered_units()
        pairs = [(one.unit, feed) for one in members for feed in one.registration.feeds]
        return [
            import_output.feed_facts(unit, feed, states.get(state_key(unit, feed), FeedState()))
            for unit, feed in pairs
        ]

    print_answer(run_on_bus(look), as_json)


@app.command()
def now(unit: Unit, url: Alone = "", release: Held = False, as_json: Json = False) -> None:
    """Read a unit's feeds at once, and try again what was refused."""

    async def visit(bus: Bus) -> list[dict[str, Any]]:
        settings = read_settings(LoaSettings)
        work = imports.open_importer(bus, load_vocabulary(settings), time.time, settings.public_url)
        answers = []
        for member, feed in await followed_feeds(bus, unit, url):
            require_readable_now(feed, (await work.states.get(unit, feed)).state)
            state = await work.visit(member, feed, ManualVisit(release))
            answers.append(import_output.feed_facts(unit, feed, state or FeedState()))
        return answers

    answers = run_on_bus(visit)
    print_answer(answers, as_json)
    if any(one["trouble"] for one in answers):
        raise typer.Exit(EXIT_INVALID)


@app.command()
def check(url: Url, as_json: Json = False) -> None:
    """Read a feed and show what would become of it; nothing is stored, nothing is sent."""
    with explain_errors():
        feed = default_feed(url, load_vocabulary(read_settings(LoaSettings)), datetime.now(UTC))
        trial = asyncio.run(run_trial(feed))
    if as_json:
        print_json(trial)
    else:
        import_output.print_trial(trial)
    if trial.trouble or any(one.errors for one in trial.items):
        raise typer.Exit(EXIT_INVALID)


def print_answer(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        import_output.print_status(found)


def first_day(said: str) -> datetime:
    """The start of a day in Vietnam, or two days ago. Raises Invalid."""
    if not said:
        return datetime.now(UTC) - LOOK_BACK
    try:
        day = datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=VIETNAM)
    except ValueError:
        raise Invalid(
            get_text("import", "not_a_day", value=printable(said)).as_field_error("since")
        ) from None
    return day.astimezone(UTC)


def require_readable_now(feed: Feed, state: FeedState) -> None:
    """Raises Invalid while the site has asked to be left alone."""
    if state.closed_until > time.time():
        until = f"{datetime.fromtimestamp(state.closed_until, UTC):%Y-%m-%d %H:%M}"
        raise Invalid(
            get_text("import", "asked_to_wait", until=until, url=feed.url).as_field_error("url")
        )


async def followed_feeds(bus: Bus, unit: str, url: str) -> list[tuple[RegisteredUnit, Feed]]:
    """The feeds of a unit, or the one at *url*. Raises Invalid for none."""
    found = await open_registry(bus).find(unit)
    if not found or not found.feeds:
        raise Invalid(
            get_text("import", "nothing_followed", unit=printable(unit)).as_field_error("unit")
        )
    wanted = Feed(url=url, topic="any").feed_id if url else ""
    feeds = [one for one in found.feeds if not url or one.feed_id == wanted]
    if not feeds:
        raise Invalid(get_text("import", "not_followed", url=printable(url)).as_field_error("url"))
    return [(RegisteredUnit(unit, found), one) for one in feeds]


def open_registry(bus: Bus) -> UnitRegistry:
    return UnitRegistry(bus, load_vocabulary(read_settings(LoaSettings)), time.time)

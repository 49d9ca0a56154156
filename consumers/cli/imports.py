"""`loa import`: reading the feeds of units that send nothing themselves."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from shlex import quote
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from consumers.app.settings import ImportSettings, LoaSettings, load_vocabulary, read_settings
from consumers.app.wiring import imports
from consumers.cli.output import (
    EXIT_INVALID,
    TIME_FORMAT,
    Json,
    explain_errors,
    print_answer,
    print_errors,
    print_table,
    run_on_bus,
    visible,
)
from consumers.cli.units import open_registry
from contracts.base.times import VIETNAM, utc_time
from contracts.delivery import ChannelName
from contracts.errors import Bilingual, FieldError, Invalid, explain, printable
from producers.bus import Bus
from producers.imports.dry_run import DryRun, DryRunItem, default_feed, dry_run
from producers.imports.feed_state import FeedState, FeedStateStore, state_key
from producers.imports.parse import html_text
from producers.imports.visit import ManualVisit, settings_error
from producers.texts import get_text
from producers.units.feed_settings import DEFAULT_EVERY_MIN, DEFAULT_MOST, LOOK_BACK, Feed
from producers.units.registry import RegisteredUnit

app = typer.Typer(no_args_is_help=True, help="Items read from the feeds of units' own sites.")
_OPTION_NAMES = {
    "topic": "--topic",
    "audiences": "--audience",
    "channels": "--channel",
    "since": "--since",
    "every_min": "--every",
    "most": "--most",
}
"""What a setting of a feed is called on the command line."""
_COLUMNS = (
    *("unit", "feed", "id", "topic", "read (UTC)", "next (UTC)"),
    *("what came of it", "held", "refused"),
)
_TRIAL_COLUMNS = ("published (UTC)", "what becomes of it", "title", "address")
_TITLE_MAX = 60
"""Letters of a title in a table."""

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
    with explain_errors(), _with_option_names():
        feed = Feed(
            url=url,
            topic=topic,
            audiences=tuple(audience or ()),
            channels=tuple(channel or ChannelName),
            since=_first_day(since),
            backfill=older,
            every_min=every,
            most=most,
        )
        if wrong := settings_error(unit, feed, load_vocabulary(read_settings(LoaSettings))):
            raise Invalid(wrong)
    run_on_bus(lambda bus: _follow_feed(bus, unit, feed, replace))
    _print_feed(unit, feed)


def _print_feed(unit: str, feed: Feed) -> None:
    """What was set, and what lies there now."""
    _print_added(unit, feed)
    with explain_errors():
        _print_first_look(unit, feed, asyncio.run(_run_trial(feed)))


@contextmanager
def _with_option_names() -> Iterator[None]:
    """Errors name what was typed, not what a feed's settings are called inside."""
    try:
        yield
    except ValidationError as wrong:
        raise Invalid(*map(_with_option_name, explain(wrong))) from None
    except Invalid as wrong:
        raise Invalid(*map(_with_option_name, wrong.errors)) from None


def _with_option_name(error: FieldError) -> FieldError:
    name = _OPTION_NAMES.get(error.field.partition(".")[0], error.field)
    return error.model_copy(update={"field": name})


async def _run_trial(feed: Feed) -> DryRun:
    """What lies there now, without consequences."""
    settings = read_settings(LoaSettings)
    ask = imports.open_fetcher(read_settings(ImportSettings), settings.public_url)
    return await dry_run(ask, feed, load_vocabulary(settings), datetime.now(UTC))


async def _follow_feed(bus: Bus, unit: str, feed: Feed, replace: bool) -> None:
    """Other settings make another reading of what lies there: nothing of the last one counts."""
    await open_registry(bus).add_feed(unit, feed, replace=replace)
    await FeedStateStore(bus).forget(unit, feed)


@app.command()
def remove(unit: Unit, url: Url) -> None:
    """Have a feed imported no more. What it has brought stays."""

    async def unfollow(bus: Bus) -> None:
        [(_, feed)] = await _followed_feeds(bus, unit, url)
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
            feed_facts(unit, feed, states.get(state_key(unit, feed), FeedState()))
            for unit, feed in pairs
        ]

    feeds = run_on_bus(look)
    print_answer(feeds, as_json, lambda: print_status(feeds))


@app.command()
def now(unit: Unit, url: Alone = "", release: Held = False, as_json: Json = False) -> None:
    """Read a unit's feeds at once, and try again what was refused."""

    async def visit(bus: Bus) -> list[dict[str, Any]]:
        settings = read_settings(LoaSettings)
        work = imports.open_importer(bus, load_vocabulary(settings), time.time, settings.public_url)
        answers = []
        for member, feed in await _followed_feeds(bus, unit, url):
            _require_readable_now(feed, (await work.states.get(unit, feed)).value)
            state = await work.visit(member, feed, ManualVisit(release))
            answers.append(feed_facts(unit, feed, state or FeedState()))
        return answers

    feeds = run_on_bus(visit)
    print_answer(feeds, as_json, lambda: print_status(feeds))
    if any(one["trouble"] for one in feeds):
        raise typer.Exit(EXIT_INVALID)


@app.command()
def check(url: Url, as_json: Json = False) -> None:
    """Read a feed and show what would become of it; nothing is stored, nothing is sent."""
    with explain_errors():
        feed = default_feed(url, load_vocabulary(read_settings(LoaSettings)), datetime.now(UTC))
        trial = asyncio.run(_run_trial(feed))
    print_answer(trial, as_json, lambda: print_trial(trial))
    if trial.trouble or any(one.errors for one in trial.items):
        raise typer.Exit(EXIT_INVALID)


def _first_day(said: str) -> datetime:
    """The start of a day in Vietnam, or two days ago. Raises Invalid."""
    if not said:
        return datetime.now(UTC) - LOOK_BACK
    try:
        day = datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=VIETNAM)
    except ValueError:
        raise _import_error("since", "not_a_day", value=printable(said)) from None
    return day.astimezone(UTC)


def _require_readable_now(feed: Feed, state: FeedState) -> None:
    """Raises Invalid while the site has asked to be left alone."""
    if state.closed_until > time.time():
        until = f"{utc_time(state.closed_until):%Y-%m-%d %H:%M}"
        raise _import_error("url", "asked_to_wait", until=until, url=feed.url)


async def _followed_feeds(bus: Bus, unit: str, url: str) -> list[tuple[RegisteredUnit, Feed]]:
    """The feeds of a unit, or the one at *url*. Raises Invalid for none."""
    found = await open_registry(bus).find(unit)
    if not found or not found.feeds:
        raise _import_error("unit", "nothing_followed", unit=printable(unit))
    wanted = Feed(url=url, topic="any").feed_id if url else ""
    feeds = [one for one in found.feeds if not url or one.feed_id == wanted]
    if not feeds:
        raise _import_error("url", "not_followed", url=printable(url))
    return [(RegisteredUnit(unit, found), one) for one in feeds]


def _import_error(field: str, code: str, **values: object) -> Invalid:
    return Invalid(get_text("import", code, **values).as_field_error(field))


def feed_facts(unit: str, feed: Feed, state: FeedState) -> dict[str, Any]:
    """One feed as JSON has it."""
    return {
        "unit": unit,
        "feed_id": feed.feed_id,
        **feed.model_dump(mode="json"),
        "title": state.title,
        "read": _iso_time(state.read),
        "visited": _iso_time(state.visited),
        "next": None if state.stopped else _iso_time(state.due),
        "stopped": state.stopped,
        "failures": state.failures,
        "trouble": state.trouble.model_dump() if state.trouble else None,
        "feeds": list(state.feeds),
        "moved_to": state.moved_to or None,
        "counts": state.counts,
        "held": list(state.held),
        "restless": [one.model_dump(mode="json") for one in state.restless],
        "duplicates": [one.model_dump(mode="json", exclude={"key"}) for one in state.twins],
        "refused": [one.model_dump(mode="json", exclude={"key"}) for one in state.refused],
    }


def _iso_time(seconds: float) -> str | None:
    return utc_time(seconds).isoformat() if seconds else None


def print_status(found: Sequence[dict[str, Any]]) -> None:
    """A line for each feed, then what has to be looked at."""
    print_table(_COLUMNS, [_feed_row(one) for one in found])
    for one in found:
        _print_trouble(one)
        _print_waiting(one)
        for twin in one["duplicates"]:
            typer.echo(f"{one['unit']}: set aside as {twin['of']}: {_title_and_address(twin)}")
        for refused in one["refused"]:
            _print_entry_errors(
                f"{one['unit']}: refused: {_title_and_address(refused)}", refused["errors"]
            )


def _print_trouble(one: dict[str, Any]) -> None:
    """Print the warnings about a feed, and the addresses of better ones."""
    unit, url = one["unit"], one["url"]
    if one["moved_to"]:
        typer.echo(f"{unit}: {url} has moved to {one['moved_to']}")
    if one["trouble"]:
        _print_entry_errors(f"{unit}: {url}", [one["trouble"]])
    _print_feeds(one["feeds"])


def _print_waiting(one: dict[str, Any]) -> None:
    """Items that wait for an operator, or for the end of their day."""
    unit, held = one["unit"], one["held"]
    for title in held:
        typer.echo(f"{unit}: held: {visible(title)}")
    if held:
        more = one["counts"].get("held", 0) - len(held)
        said = {"unit": unit, "typed": quote(one["url"])}
        held_all = get_text("import", "held_all", held=len(held), **said)
        _print_bilingual(
            unit, get_text("import", "held_more", more=more, **said) if more > 0 else held_all
        )
    for item in one["restless"]:
        said = {"until": _short_time(item["until"]), "what": _title_and_address(item)}
        _print_bilingual(unit, get_text("import", "restless", **said))


def _print_bilingual(about: str, said: Bilingual) -> None:
    for text in said:
        typer.echo(f"{about}: {text}" if about else text)


def _print_feeds(urls: Iterable[str]) -> None:
    """The feeds that a page names, and how to go on with each."""
    for url in map(visible, urls):
        _print_bilingual("", get_text("import", "page_names", url=url, typed=quote(url)))


def _title_and_address(item: dict[str, str]) -> str:
    """Title and address; some have but one of them."""
    return "\n  ".join(visible(text) for text in (item["title"], item["url"]) if text)


def _feed_row(one: dict[str, Any]) -> Sequence[object]:
    came = " ".join(f"{name} {count}" for name, count in sorted(one["counts"].items()))
    after = "stopped" if one["stopped"] else _short_time(one["next"])
    held, refused = one["counts"].get("held", 0), len(one["refused"])
    feed = (one["unit"], one["url"], one["feed_id"], one["topic"])
    return (*feed, _short_time(one["read"]), after, came, held, refused)


def _short_time(written: str | None) -> str:
    return f"{datetime.fromisoformat(written):{TIME_FORMAT}}" if written else ""


def _print_entry_errors(about: str, errors: Sequence[dict[str, str]]) -> None:
    typer.echo(about)
    for error in errors:
        field = error["field"]
        typer.echo(f"  {field}: {error['message']}\n  {field}: {error['message_vi']}")


def _print_added(unit: str, feed: Feed) -> None:
    """All settings of a feed, with defaults for those not given."""
    older = "older ones, too, for the portal alone" if feed.backfill else "older ones are left"
    typer.echo(
        f"{unit}: {feed.url}\n"
        f"  topic {feed.topic}; for {', '.join(feed.audiences) or 'everyone'}; "
        f"to {', '.join(feed.channels)}\n"
        f"  every {feed.every_min} min; more than {feed.most} at once are held\n"
        f"  items since {feed.since:%Y-%m-%d %H:%M} UTC; {older}"
    )


def _print_first_look(unit: str, feed: Feed, trial: DryRun) -> None:
    """What lies there now; trouble goes to stderr, and the feed stays."""
    if not trial.trouble:
        _print_summary(trial)
        return
    said = {"unit": unit, "url": feed.url, "typed": quote(feed.url)}
    print_errors([trial.trouble, get_text("import", "added_unread", **said).as_field_error("url")])
    _print_feeds(trial.feeds)


def print_trial(trial: DryRun) -> None:
    if trial.trouble:
        _print_entry_errors(trial.url, [trial.trouble.model_dump()])
        _print_feeds(trial.feeds)
        return
    typer.echo(f"{trial.url}: {visible(trial.title)}" if trial.title else trial.url)
    print_table(_TRIAL_COLUMNS, [_trial_row(one) for one in trial.items])
    for twin in trial.twins:
        typer.echo(f"duplicate: {_title_and_address(twin.model_dump())}")
    for one in trial.items:
        if one.errors:
            errors = [error.model_dump() for error in one.errors]
            _print_entry_errors(f"refused: {_title_and_address(one.model_dump())}", errors)
    _print_summary(trial)


def _print_summary(trial: DryRun) -> None:
    became = Counter("new" if one.becomes == "ahead" else one.becomes for one in trial.items)
    counts = {name: became[name] for name in ("new", "old", "backfilled")}
    refused = sum(bool(one.errors) for one in trial.items)
    counts |= {"items": len(trial.items), "refused": refused, "duplicates": trial.duplicates}
    _print_bilingual("", get_text("import", "summary", **counts))


def _trial_row(one: DryRunItem) -> Sequence[object]:
    day = f"{one.published:{TIME_FORMAT}}" if one.published else ""
    becomes = " / ".join(get_text("import", f"becomes_{one.becomes}"))
    return (day, becomes, visible(html_text.shorten(one.title, _TITLE_MAX)), visible(one.url))

"""`loa import`: import items from the feeds of units that send nothing themselves."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from shlex import quote
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError

from consumers.app.settings import ImportSettings, LoaSettings, load_vocabulary, read_settings
from consumers.app.wiring import imports
from consumers.cli import output
from consumers.cli.acts import By, Command, run_audited
from consumers.cli.progress import progress_bars
from consumers.cli.stores import open_registry
from consumers.progress import report_progress
from consumers.staff.authorization import Actor
from contracts.base.times import utc_time
from contracts.delivery import ChannelName
from contracts.errors import Bilingual, FieldError, Invalid, explain, printable
from contracts.text.moments import VIETNAM, format_for_people
from producers.bus import Bus
from producers.imports.dry_run import DryRun, DryRunItem, default_feed, dry_run
from producers.imports.feed_state import FeedState, FeedStateStore, state_key
from producers.imports.parse import html_text
from producers.imports.planned import ManualVisit
from producers.imports.visit import settings_error
from producers.output import print_bilingual
from producers.texts import get_text
from producers.units.feed_settings import DEFAULT_EVERY_MIN, DEFAULT_MOST, LOOK_BACK, Feed
from producers.units.registry import RegisteredUnit

app = typer.Typer(no_args_is_help=True, help="Import items from the feeds of units' own sites.")
_OPTION_NAMES = {
    "topic": "--topic",
    "audiences": "--audience",
    "channels": "--channel",
    "since": "--since",
    "every_min": "--every",
    "most": "--most",
}
"""The options that set a feed's fields."""
_COLUMNS = (
    *("unit", "feed", "id", "topic", "read", "next"),
    *("what came of it", "held", "refused"),
)
_TRIAL_COLUMNS = ("published", "what becomes of it", "title", "address")
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


class FeedAnswer(BaseModel):
    """A feed's settings and its state, in the answers of `status` and `now`."""

    unit: str
    feed_id: str
    url: str
    topic: str
    audiences: list[str]
    channels: list[ChannelName]
    since: datetime | None
    backfill: bool
    every_min: int
    most: int
    title: str
    read: datetime | None
    visited: datetime | None
    next: datetime | None
    stopped: bool
    failures: int
    trouble: FieldError | None
    feeds: list[str]
    moved_to: str | None
    counts: dict[str, int]
    held: list[str]
    restless: list[dict[str, Any]]
    duplicates: list[dict[str, Any]]
    refused: list[dict[str, Any]]


class AddAnswer(BaseModel):
    """The answer of `add`: the feed's settings, and a first reading without consequences."""

    unit: str
    feed: Feed
    trial: DryRun


class RemoveAnswer(BaseModel):
    """The answer of `remove`."""

    unit: str
    url: str
    removed: bool = True


@app.command()
@output.page(
    AddAnswer, examples=("loa import add van-phong-bo https://example.gov.vn/rss --topic viec-lam",)
)
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
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Have a feed imported for a registered unit; one that can't be read now is added, too."""
    with output.explain_errors(), _with_option_names():
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
        _require_valid(unit, feed)
    command = Command("feeds.add", unit, by, after=url)
    run_audited(command, lambda bus, _: _follow_feed(bus, unit, feed, replace))
    _print_added(unit, feed, as_json)


def _require_valid(unit: str, feed: Feed) -> None:
    """Raises Invalid for settings that no item could be imported with."""
    if wrong := settings_error(unit, feed, load_vocabulary(read_settings(LoaSettings))):
        raise Invalid(wrong)


@contextmanager
def _with_option_names() -> Iterator[None]:
    """Name the options in errors, instead of the fields of a feed."""
    try:
        yield
    except (ValidationError, Invalid) as wrong:
        errors = wrong.errors if isinstance(wrong, Invalid) else explain(wrong)
        raise Invalid(*map(_with_option_name, errors)) from None


def _with_option_name(error: FieldError) -> FieldError:
    name = _OPTION_NAMES.get(error.field.partition(".")[0], error.field)
    return error.model_copy(update={"field": name})


def _run_trial(feed: Feed) -> DryRun:
    """Read the feed now, without consequences."""
    settings = read_settings(LoaSettings)
    fetcher = imports.open_fetcher(read_settings(ImportSettings), settings.public_url)
    with progress_bars():
        report_progress("feeds", 0, 1)
        return asyncio.run(dry_run(fetcher, feed, load_vocabulary(settings), datetime.now(UTC)))


async def _follow_feed(bus: Bus, unit: str, feed: Feed, replace: bool) -> None:
    """Add or replace a feed, and forget its state: other settings need another reading."""
    await open_registry(bus).add_feed(unit, feed, replace=replace)
    await FeedStateStore(bus).forget(unit, feed)


@app.command()
@output.page(RemoveAnswer, examples=("loa import remove van-phong-bo https://example.gov.vn/rss",))
def remove(unit: Unit, url: Url, by: By = "", as_json: output.Json = False) -> None:
    """Have a feed imported no more. What it has brought stays."""

    async def unfollow(bus: Bus, _: Actor) -> None:
        [(_unit, feed)] = await _followed_feeds(bus, unit, url)
        await open_registry(bus).remove_feed(unit, feed.feed_id)
        await FeedStateStore(bus).forget(unit, feed)

    run_audited(Command("feeds.remove", unit, by, after=url), unfollow)
    answer = RemoveAnswer(unit=unit, url=url)
    texts = f"{unit}: {url} is imported no more", f"{unit}: {url} không còn được đọc"
    output.print_answer(answer, as_json, lambda: print_bilingual(*texts))


@app.command()
@output.page(list[FeedAnswer])
def status(as_json: output.Json = False) -> None:
    """Show every feed: its last visit, and its items that are held or refused, with the reasons."""

    async def load(bus: Bus) -> list[dict[str, Any]]:
        states = await FeedStateStore(bus).read_all()
        return [
            feed_facts(one.unit, feed, states.get(state_key(one.unit, feed), FeedState()))
            for one in await open_registry(bus).registered_units()
            for feed in one.registration.feeds
        ]

    feeds = output.run_on_bus(load)
    output.print_answer(feeds, as_json, lambda: print_status(feeds))


@app.command()
@output.page(
    list[FeedAnswer],
    {2: "wrong input, or a feed could not be read"},
    examples=(
        "loa import now van-phong-bo",
        "loa import now van-phong-bo --release",
    ),
)
def now(
    unit: Unit,
    url: Alone = "",
    release: Held = False,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Read a unit's feeds at once, and try again what was refused."""

    async def visit(bus: Bus, _: Actor) -> list[dict[str, Any]]:
        settings = read_settings(LoaSettings)
        vocabulary = load_vocabulary(settings)
        importer = imports.open_importer(bus, vocabulary, time.time, settings.public_url)
        facts = []
        followed = await _followed_feeds(bus, unit, url)
        for number, (registered, feed) in enumerate(followed):
            report_progress("feeds", number, len(followed))
            _require_readable_now(feed, (await importer.states.get(unit, feed)).value)
            state = await importer.visit(registered, feed, ManualVisit(release))
            facts.append(feed_facts(unit, feed, state or FeedState()))
        return facts

    after = " ".join(filter(None, (url, "release" if release else "")))
    feeds = run_audited(Command("feeds.now", unit, by, after=after), visit)
    output.print_answer(feeds, as_json, lambda: print_status(feeds))
    if any(one["trouble"] for one in feeds):
        raise typer.Exit(output.EXIT_INVALID)


@app.command()
@output.page(
    DryRun,
    {2: "wrong input, unreadable, or items would be refused"},
    on_bus=False,
    examples=("loa import check https://example.gov.vn/rss",),
)
def check(url: Url, as_json: output.Json = False) -> None:
    """Read a feed and show what would become of it; nothing is stored, nothing is sent."""
    with output.explain_errors():
        feed = default_feed(url, load_vocabulary(read_settings(LoaSettings)), datetime.now(UTC))
        trial = _run_trial(feed)
    output.print_answer(trial, as_json, lambda: print_trial(trial))
    if trial.trouble or any(one.errors for one in trial.items):
        raise typer.Exit(output.EXIT_INVALID)


def _first_day(text: str) -> datetime:
    """The start of a day in Vietnam, or two days ago. Raises Invalid."""
    if not text:
        return datetime.now(UTC) - LOOK_BACK
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=VIETNAM)
    except ValueError:
        raise _import_error("since", "not_a_day", value=printable(text)) from None
    return day.astimezone(UTC)


def _require_readable_now(feed: Feed, state: FeedState) -> None:
    """Raises Invalid while the site has asked to be left alone."""
    if state.closed_until > time.time():
        until = utc_time(state.closed_until)
        raise _import_error("url", "asked_to_wait", until=until, url=feed.url)


async def _followed_feeds(bus: Bus, unit: str, url: str) -> list[tuple[RegisteredUnit, Feed]]:
    """The feeds of a unit, or the one at *url*. Raises Invalid for none."""
    registration = await open_registry(bus).find(unit)
    if not registration or not registration.feeds:
        raise _import_error("unit", "nothing_followed", unit=printable(unit))
    wanted = Feed(url=url, topic="any").feed_id if url else ""
    feeds = [feed for feed in registration.feeds if not url or feed.feed_id == wanted]
    if not feeds:
        raise _import_error("url", "not_followed", url=printable(url))
    return [(RegisteredUnit(unit, registration), feed) for feed in feeds]


def _import_error(field: str, code: str, **values: object) -> Invalid:
    return Invalid(get_text("import", code, **values).as_field_error(field))


def feed_facts(unit: str, feed: Feed, state: FeedState) -> dict[str, Any]:
    """One feed with its state, for JSON and tables."""
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


def print_status(feeds: Sequence[dict[str, Any]]) -> None:
    """Print a table of feeds, then the problems of each."""
    output.print_table(_COLUMNS, [_feed_row(feed) for feed in feeds])
    for feed in feeds:
        unit = feed["unit"]
        _print_trouble(feed)
        _print_waiting(feed)
        for item in feed["duplicates"]:
            typer.echo(f"{unit}: set aside as {item['of']}: {_title_and_address(item)}")
        for item in feed["refused"]:
            _print_entry_errors(f"{unit}: refused: {_title_and_address(item)}", item["errors"])


def _print_trouble(feed: dict[str, Any]) -> None:
    """Print the warnings about a feed, and the addresses of better ones."""
    unit, url = feed["unit"], feed["url"]
    if feed["moved_to"]:
        typer.echo(f"{unit}: {url} has moved to {feed['moved_to']}")
    if feed["trouble"]:
        _print_entry_errors(f"{unit}: {url}", [feed["trouble"]])
    _print_feeds(feed["feeds"])


def _print_waiting(feed: dict[str, Any]) -> None:
    """Print the items that wait for an operator, or for the end of their day."""
    unit, held = feed["unit"], feed["held"]
    for title in held:
        typer.echo(f"{unit}: held: {output.visible(title)}")
    if held:
        more = feed["counts"].get("held", 0) - len(held)
        counts = {"more": more} if more > 0 else {"held": len(held)}
        code = "held_more" if more > 0 else "held_all"
        text = get_text("import", code, unit=unit, typed=quote(feed["url"]), **counts)
        _print_bilingual(unit, text)
    for item in feed["restless"]:
        values = {"until": datetime.fromisoformat(item["until"]), "what": _title_and_address(item)}
        _print_bilingual(unit, get_text("import", "restless", **values))


def _print_bilingual(about: str, texts: Bilingual) -> None:
    for text in texts:
        typer.echo(f"{about}: {text}" if about else text)


def _print_feeds(urls: Iterable[str]) -> None:
    """Print the feeds that a page names, and how to go on with each."""
    for url in map(output.visible, urls):
        _print_bilingual("", get_text("import", "page_names", url=url, typed=quote(url)))


def _title_and_address(item: dict[str, str]) -> str:
    """Title and address; some have but one of them."""
    return "\n  ".join(output.visible(text) for text in (item["title"], item["url"]) if text)


def _feed_row(feed: dict[str, Any]) -> Sequence[object]:
    counts = " ".join(f"{name} {count}" for name, count in sorted(feed["counts"].items()))
    next_visit = "stopped" if feed["stopped"] else _short_time(feed["next"])
    held, refused = feed["counts"].get("held", 0), len(feed["refused"])
    identity = (feed["unit"], feed["url"], feed["feed_id"], feed["topic"])
    return (*identity, _short_time(feed["read"]), next_visit, counts, held, refused)


def _short_time(iso: str | None) -> str:
    return format_for_people(datetime.fromisoformat(iso)) if iso else ""


def _print_entry_errors(about: str, errors: Sequence[dict[str, str]]) -> None:
    typer.echo(about)
    for error in errors:
        field = error["field"]
        typer.echo(f"  {field}: {error['message']}\n  {field}: {error['message_vi']}")


def _print_added(unit: str, feed: Feed, as_json: bool) -> None:
    """Print all settings of a feed, defaults included, and a first reading."""
    if not as_json:
        _print_settings(unit, feed)
    with output.explain_errors():
        trial = _run_trial(feed)
    answer = AddAnswer(unit=unit, feed=feed, trial=trial)
    output.print_answer(answer, as_json, lambda: _print_first_reading(answer))


def _print_settings(unit: str, feed: Feed) -> None:
    text = get_text(
        "import",
        "settings",
        topic=feed.topic,
        audiences=", ".join(feed.audiences) or get_text("import", "everyone"),
        channels=", ".join(feed.channels),
        every=feed.every_min,
        most=feed.most,
        since=feed.since,
        older=get_text("import", "older_taken" if feed.backfill else "older_left"),
    )
    typer.echo(f"{unit}: {feed.url}")
    print_bilingual(*(f"  {line}" for line in text))


def _print_first_reading(answer: AddAnswer) -> None:
    unit, feed, trial = answer.unit, answer.feed, answer.trial
    if not trial.trouble:
        _print_summary(trial)
        return
    values = {"unit": unit, "url": feed.url, "typed": quote(feed.url)}
    unread = get_text("import", "added_unread", **values).as_field_error("url")
    output.print_errors([trial.trouble, unread])
    _print_feeds(trial.feeds)


def print_trial(trial: DryRun) -> None:
    if trial.trouble:
        _print_entry_errors(trial.url, [trial.trouble.model_dump()])
        _print_feeds(trial.feeds)
        return
    typer.echo(f"{trial.url}: {output.visible(trial.title)}" if trial.title else trial.url)
    output.print_table(_TRIAL_COLUMNS, [_trial_row(one) for one in trial.items])
    for twin in trial.twins:
        typer.echo(f"duplicate: {_title_and_address(twin.model_dump())}")
    for one in trial.items:
        if one.errors:
            errors = [error.model_dump() for error in one.errors]
            _print_entry_errors(f"refused: {_title_and_address(one.model_dump())}", errors)
        if one.warnings:
            warnings = [warning.model_dump() for warning in one.warnings]
            _print_entry_errors(f"warning: {_title_and_address(one.model_dump())}", warnings)
    _print_summary(trial)


def _print_summary(trial: DryRun) -> None:
    became = Counter("new" if one.becomes == "ahead" else one.becomes for one in trial.items)
    counts = {name: became[name] for name in ("new", "old", "backfilled")}
    refused = sum(bool(one.errors) for one in trial.items)
    counts |= {"items": len(trial.items), "refused": refused, "duplicates": trial.duplicates}
    _print_bilingual("", get_text("import", "summary", **counts))


def _trial_row(one: DryRunItem) -> Sequence[object]:
    becomes = output.in_one_line(*get_text("import", f"becomes_{one.becomes}"))
    title = output.visible(html_text.shorten(one.title, _TITLE_MAX))
    return one.published, becomes, title, output.visible(one.url)

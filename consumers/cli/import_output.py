"""Print feeds and trial imports for `loa import`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from shlex import quote
from typing import Any

import typer

from consumers.cli.output import print_errors, print_table
from contracts.errors import Bilingual
from producers.imports.dry_run import DryRun, DryRunItem
from producers.imports.feed_state import FeedState
from producers.imports.parse import html_text
from producers.texts import get_text
from producers.units.feed_settings import Feed

TIME = "%Y-%m-%d %H:%M:%S"
COLUMNS = (
    *("unit", "feed", "id", "topic", "read (UTC)", "next (UTC)"),
    *("what came of it", "held", "refused"),
)
TRIAL_COLUMNS = ("published (UTC)", "what becomes of it", "title", "address")
TITLE_MAX = 60
"""Letters of a title in a table."""


def feed_facts(unit: str, feed: Feed, state: FeedState) -> dict[str, Any]:
    """One feed as JSON has it."""
    return {
        "unit": unit,
        "feed_id": feed.feed_id,
        **feed.model_dump(mode="json"),
        "title": state.title,
        "read": iso_time(state.read),
        "visited": iso_time(state.visited),
        "next": None if state.stopped else iso_time(state.due),
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


def iso_time(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None


def print_status(found: Sequence[dict[str, Any]]) -> None:
    """A line for each feed, then what has to be looked at."""
    print_table(COLUMNS, [feed_row(one) for one in found])
    for one in found:
        print_trouble(one)
        print_waiting(one)
        for twin in one["duplicates"]:
            typer.echo(f"{one['unit']}: set aside as {twin['of']}: {title_and_address(twin)}")
        for refused in one["refused"]:
            print_entry_errors(
                f"{one['unit']}: refused: {title_and_address(refused)}", refused["errors"]
            )


def print_trouble(one: dict[str, Any]) -> None:
    """What is wrong with a feed itself, and where a better one is."""
    unit, url = one["unit"], one["url"]
    if one["moved_to"]:
        typer.echo(f"{unit}: {url} has moved to {one['moved_to']}")
    if one["trouble"]:
        print_entry_errors(f"{unit}: {url}", [one["trouble"]])
    print_feeds(one["feeds"])


def print_waiting(one: dict[str, Any]) -> None:
    """Items that wait for an operator, or for the end of their day."""
    unit, held = one["unit"], one["held"]
    for title in held:
        typer.echo(f"{unit}: held: {printable(title)}")
    if held:
        more = one["counts"].get("held", 0) - len(held)
        said = {"unit": unit, "typed": quote(one["url"])}
        held_all = get_text("import", "held_all", held=len(held), **said)
        print_bilingual(
            unit, get_text("import", "held_more", more=more, **said) if more > 0 else held_all
        )
    for item in one["restless"]:
        said = {"until": short_time(item["until"]), "what": title_and_address(item)}
        print_bilingual(unit, get_text("import", "restless", **said))


def print_bilingual(about: str, said: Bilingual) -> None:
    for text in said:
        typer.echo(f"{about}: {text}" if about else text)


def print_feeds(urls: Iterable[str]) -> None:
    """The feeds that a page names, and how to go on with each."""
    for url in map(printable, urls):
        print_bilingual("", get_text("import", "page_names", url=url, typed=quote(url)))


def title_and_address(item: dict[str, str]) -> str:
    """Title and address; some have but one of them."""
    return "\n  ".join(printable(text) for text in (item["title"], item["url"]) if text)


def feed_row(one: dict[str, Any]) -> Sequence[object]:
    came = " ".join(f"{name} {count}" for name, count in sorted(one["counts"].items()))
    after = "stopped" if one["stopped"] else short_time(one["next"])
    held, refused = one["counts"].get("held", 0), len(one["refused"])
    feed = (one["unit"], one["url"], one["feed_id"], one["topic"])
    return (*feed, short_time(one["read"]), after, came, held, refused)


def short_time(written: str | None) -> str:
    return f"{datetime.fromisoformat(written):{TIME}}" if written else ""


def print_entry_errors(about: str, errors: Sequence[dict[str, str]]) -> None:
    typer.echo(about)
    for error in errors:
        field = error["field"]
        typer.echo(f"  {field}: {error['message']}\n  {field}: {error['message_vi']}")


def print_added(unit: str, feed: Feed) -> None:
    """All settings of a feed, with defaults for those not given."""
    older = "older ones, too, for the portal alone" if feed.backfill else "older ones are left"
    typer.echo(
        f"{unit}: {feed.url}\n"
        f"  topic {feed.topic}; for {', '.join(feed.audiences) or 'everyone'}; "
        f"to {', '.join(feed.channels)}\n"
        f"  every {feed.every_min} min; more than {feed.most} at once are held\n"
        f"  items since {feed.since:%Y-%m-%d %H:%M} UTC; {older}"
    )


def print_first_look(unit: str, feed: Feed, trial: DryRun) -> None:
    """What lies there now; trouble goes to stderr, and the feed stays."""
    if not trial.trouble:
        print_summary(trial)
        return
    said = {"unit": unit, "url": feed.url, "typed": quote(feed.url)}
    print_errors([trial.trouble, get_text("import", "added_unread", **said).as_field_error("url")])
    print_feeds(trial.feeds)


def print_trial(trial: DryRun) -> None:
    if trial.trouble:
        print_entry_errors(trial.url, [trial.trouble.model_dump()])
        print_feeds(trial.feeds)
        return
    typer.echo(f"{trial.url}: {printable(trial.title)}" if trial.title else trial.url)
    print_table(TRIAL_COLUMNS, [trial_row(one) for one in trial.items])
    for twin in trial.twins:
        typer.echo(f"duplicate: {title_and_address(twin.model_dump())}")
    for one in trial.items:
        if one.errors:
            errors = [error.model_dump() for error in one.errors]
            print_entry_errors(f"refused: {title_and_address(one.model_dump())}", errors)
    print_summary(trial)


def print_summary(trial: DryRun) -> None:
    became = Counter("new" if one.becomes == "ahead" else one.becomes for one in trial.items)
    counts = {name: became[name] for name in ("new", "old", "backfilled")}
    refused = sum(bool(one.errors) for one in trial.items)
    counts |= {"items": len(trial.items), "refused": refused, "duplicates": trial.duplicates}
    print_bilingual("", get_text("import", "summary", **counts))


def trial_row(one: DryRunItem) -> Sequence[object]:
    day = f"{one.published:{TIME}}" if one.published else ""
    becomes = " / ".join(get_text("import", f"becomes_{one.becomes}"))
    return (day, becomes, printable(html_text.shorten(one.title, TITLE_MAX)), printable(one.url))


def printable(text: str) -> str:
    """A site's text without control characters."""
    return "".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in text)

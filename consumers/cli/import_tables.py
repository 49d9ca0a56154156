"""Feeds as people read them: what `loa import` prints."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import typer

from consumers.cli.answers import print_table
from contracts.errors import FieldError
from producers.imports.feed import Feed
from producers.imports.state import FeedState
from producers.imports.trial import Trial, TriedItem

TIME = "%Y-%m-%d %H:%M:%S"
COLUMNS = (
    *("unit", "feed", "topic", "read (UTC)", "next (UTC)"),
    *("what came of it", "held", "refused"),
)
TRIAL = ("published (UTC)", "title", "address", "field", "lỗi", "what is wrong")


def facts(unit: str, feed: Feed, state: FeedState) -> dict[str, Any]:
    """One feed as JSON has it."""
    return {
        "unit": unit,
        **feed.model_dump(mode="json"),
        "title": state.title,
        "read": moment(state.read),
        "visited": moment(state.visited),
        "next": None if state.stopped else moment(state.due),
        "stopped": state.stopped,
        "failures": state.failures,
        "trouble": state.trouble.model_dump() if state.trouble else None,
        "moved_to": state.moved_to or None,
        "counts": state.counts,
        "held": list(state.held),
        "duplicates": [one.model_dump(mode="json", exclude={"key"}) for one in state.twins],
        "refused": [one.model_dump(mode="json", exclude={"key"}) for one in state.refused],
    }


def moment(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None


def print_status(found: Sequence[dict[str, Any]]) -> None:
    """A line for each feed, then what has to be looked at."""
    print_table(COLUMNS, [row(one) for one in found])
    for one in found:
        unit, url = one["unit"], one["url"]
        if one["moved_to"]:
            typer.echo(f"{unit}: {url} has moved to {one['moved_to']}")
        if one["trouble"]:
            print_errors(f"{unit}: {url}", [one["trouble"]])
        for title in one["held"]:
            typer.echo(f"{unit}: held: {shown(title)}")
        for twin in one["duplicates"]:
            typer.echo(f"{unit}: set aside as {twin['of']}: {as_listed(twin)}")
        for refused in one["refused"]:
            print_errors(f"{unit}: refused: {shown(refused['title'])}", refused["errors"])


def as_listed(twin: dict[str, str]) -> str:
    return f"{shown(twin['title'])}\n  {shown(twin['url'])}"


def row(one: dict[str, Any]) -> Sequence[object]:
    came = " ".join(f"{name} {count}" for name, count in sorted(one["counts"].items()))
    after = "stopped" if one["stopped"] else short(one["next"])
    held, refused = one["counts"].get("held", 0), len(one["refused"])
    return (one["unit"], one["url"], one["topic"], short(one["read"]), after, came, held, refused)


def short(written: str | None) -> str:
    return f"{datetime.fromisoformat(written):{TIME}}" if written else ""


def print_errors(about: str, errors: Sequence[dict[str, str]]) -> None:
    typer.echo(about)
    for error in errors:
        field = error["field"]
        typer.echo(f"  {field}: {error['message']}\n  {field}: {error['message_vi']}")


def print_trial(trial: Trial) -> None:
    typer.echo(f"{trial.url}: {shown(trial.title)}")
    if trial.trouble:
        print_errors(trial.url, [trial.trouble.model_dump()])
        for url in trial.feeds:
            typer.echo(f"feed: {shown(url)}")
        return
    print_table(TRIAL, [trial_row(one) for one in trial.items])
    for twin in trial.twins:
        typer.echo(f"duplicate: {as_listed(twin.model_dump())}")
    wrong = sum(bool(one.errors) for one in trial.items)
    typer.echo(f"{len(trial.items)} items, {wrong} refused, {trial.duplicates} duplicates")


def trial_row(one: TriedItem) -> Sequence[object]:
    day = f"{one.published:{TIME}}" if one.published else ""
    return (day, shown(one.title), one.url, *first(one.errors))


def first(errors: Sequence[FieldError]) -> tuple[str, str, str]:
    error = next(iter(errors), None)
    return (error.field, error.message_vi, error.message) if error else ("", "", "")


def shown(text: str) -> str:
    """Somebody else's text, without what could steer a terminal."""
    return "".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in text)
